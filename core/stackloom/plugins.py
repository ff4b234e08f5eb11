"""Finding, loading and asking plugins.

A plugin that fails stops the run under its own name, distribution and version. It is never skipped: what it makes would
vanish from the output, and Argo CD would prune a service that runs. Leaving one out is explicit (``plugins.disabled``).
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import metadata
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from stackloom import hookspecs
from stackloom.attribution import Origin, attributed, blaming, collecting
from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.hookspecs import API_VERSION, ENTRY_POINT_GROUP, PROJECT
from stackloom.model.service import Service
from stackloom.records import record_problems

TRACE_VARIABLE = "STACKLOOM_TRACE_PLUGINS"
_GROUPS = f"{PROJECT}.plugin."
_LEAVE_OUT = "leave it out with spec.plugins.disabled"

T = TypeVar("T")
Trace = Callable[[str], object]


class Plugins:
    """The plugins of this run and the services that they add, sorted by name.

    ``managers`` holds one manager of pluggy for each plugin, because every answer must have an author. ``trace`` is told of each
    call of a hook. Raises :class:`StackloomError` with what is wrong with the services of all plugins.
    """

    def __init__(self, managers: Mapping[Origin, pluggy.PluginManager], trace: Trace | None = None) -> None:
        self._managers = managers
        self._trace = trace
        self._origin_of_service: dict[str, Origin] = {}
        self.services: tuple[Service, ...] = self._collect_services()

    @property
    def origins(self) -> Sequence[Origin]:
        """The loaded plugins, sorted by name."""
        return sorted(self._managers, key=lambda origin: origin.plugin)

    def origin_of(self, service: str) -> Origin | None:
        """The plugin that added the service of this name; None for what the core offers itself."""
        return self._origin_of_service.get(service)

    def author_of(self, code: Callable[..., object] | None) -> Origin | None:
        """The plugin that a function is of; None where no single plugin has code in that package."""
        package = getattr(code, "__module__", "").partition(".")[0]
        authors = [origin for origin in self.origins if origin.package == package]
        return authors[0] if len(authors) == 1 else None

    def ask(self, hook: str, wanted: type[T], problems: list[Problem], **arguments: Any) -> list[tuple[Origin, list[T]]]:
        """What each plugin that has the hook answers, plugins in the order of their names.

        A plugin that fails, or that answers with anything but ``wanted``, adds to ``problems`` instead.
        """
        answers: list[tuple[Origin, list[T]]] = []
        for origin in self.origins:
            call = getattr(self._managers[origin].hook, hook)
            if not call.get_hookimpls():
                continue
            if self._trace:
                self._trace(f"{hook}: {origin}")
            with collecting(problems), blaming(origin, f"in {hook}"):
                found = [_checked(item, wanted, hook) for answer in call(**arguments) for item in answer]
                answers.append((origin, found))
        return answers

    def _collect_services(self) -> tuple[Service, ...]:
        found: dict[str, Service] = {}
        problems: list[Problem] = []
        for origin, services in self.ask("stackloom_services", Service, problems):
            mistakes = [] if services else [Problem("stackloom_services gave no Service", "Yield at least one stackloom.Service")]
            for service in services:
                if wrong := list(record_problems(service)):
                    mistakes += wrong
                elif found.setdefault(service.name, service) is service:
                    self._origin_of_service[service.name] = origin
                else:
                    mistakes.append(
                        Problem(
                            f"the service {service.name!r} is added by {self._origin_of_service[service.name]} already",
                            f"Rename one of them, or {_LEAVE_OUT}",
                        )
                    )
            problems += [attributed(mistake, origin) for mistake in mistakes]
        if problems:
            raise StackloomError(problems)
        return tuple(found[name] for name in sorted(found))


def _checked(item: Any, wanted: type[T], hook: str) -> T:
    if not isinstance(item, wanted):
        raise StackloomError(
            Problem(
                f"{hook} yielded a {type(item).__name__}, not a {wanted.__name__}", f"Yield stackloom.{wanted.__name__} records"
            )
        )
    return item


def _hook_problems(manager: pluggy.PluginManager, plugin: object) -> Iterator[Problem]:
    """What pluggy would refuse as well, but said of one mistake at a time, with the nearest name."""
    specs: dict[str, pluggy.HookCaller] = vars(manager.hook)
    marked = {name: manager.parse_hookimpl_opts(plugin, name) for name in dir(plugin)}
    for name in marked.keys() & specs.keys():
        if not marked[name]:
            yield Problem(f"{name} is not marked as a hook", "Put @stackloom.hookimpl above it")
    for name, options in marked.items():
        hook = (options and options.get("specname")) or name
        if options and hook in specs:
            yield from _argument_problems(specs[hook], getattr(plugin, name))
        elif options and not options.get("optionalhook"):
            yield Problem(f"{hook} is not a hook of plugin API {API_VERSION}", did_you_mean(hook, specs))
    if not any(marked.values()) and not marked.keys() & specs.keys():
        yield Problem("has no hook", "Define stackloom_services() and put @stackloom.hookimpl above it")


def _argument_problems(hook: pluggy.HookCaller, implementation: Callable[..., object]) -> Iterator[Problem]:
    known = hook.spec.argnames if hook.spec else ()
    for parameter in inspect.signature(implementation).parameters.values():
        if parameter.default is parameter.empty and parameter.name not in known:
            hint = did_you_mean(parameter.name, known) or "It has none"
            yield Problem(f"{hook.name} has no argument {parameter.name!r}", hint)


def _managed(plugin: object, name: str) -> pluggy.PluginManager:
    """A manager of this plugin alone. Raises StackloomError where its hooks are not as specified."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    if wrong := list(_hook_problems(manager, plugin)):
        raise StackloomError(wrong)
    manager.register(plugin, name)
    manager.check_pending()
    return manager


def load(
    *,
    disabled: Iterable[str] = (),
    entry_points: Iterable[metadata.EntryPoint] | None = None,
    extra: Mapping[str, ModuleType | object] | None = None,
    trace: Trace | None = None,
) -> Plugins:
    """Load the plugins of the entry points (of this environment, unless given), but not those that are ``disabled``.

    ``extra`` registers further objects by name, as a user's ``main.py`` or a test does. ``STACKLOOM_TRACE_PLUGINS=1`` writes each
    call of a hook to standard error, or to ``trace``. Raises :class:`StackloomError` with what is wrong with any of the plugins.
    """
    off, objects = list(disabled), extra or {}
    installed = _installed() if entry_points is None else [e for e in entry_points if e.group.startswith(_GROUPS)]
    entries = sorted((e for e in installed if e.name not in off), key=lambda e: (e.name, str(_origin(e))))
    found: list[tuple[Origin, Callable[[], object]]] = [(_origin(e), e.load) for e in entries if e.group == ENTRY_POINT_GROUP]
    found += [(Origin(n, package=_package(p)), partial(objects.__getitem__, n)) for n, p in objects.items() if n not in off]
    problems = [*_unknown(off, {*(e.name for e in installed), *objects}), *_other_versions(entries)]
    named: dict[str, Origin] = {}
    managers: dict[Origin, pluggy.PluginManager] = {}
    for origin, get in found:
        with collecting(problems), blaming(origin, "on import"):
            if named.setdefault(origin.plugin, origin) is not origin:
                taken = f"the name {origin.plugin!r} is taken by {named[origin.plugin]}"
                raise StackloomError(Problem(taken, "Uninstall one of the two"))
            managers[origin] = _managed(get(), origin.plugin)
    if problems:
        raise StackloomError(problems)
    if os.environ.get(TRACE_VARIABLE, "0") not in ("", "0"):
        trace = trace or (lambda text: print(text, file=sys.stderr))  # noqa: T201
    return Plugins(managers, trace)


def _package(plugin: object) -> str:
    module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    return module.partition(".")[0]


def _origin(entry: metadata.EntryPoint) -> Origin:
    package = entry.value.partition(":")[0].partition(".")[0].strip()
    return Origin(entry.name, entry.dist.name, entry.dist.version, package) if entry.dist else Origin(entry.name, package=package)


def _installed() -> list[metadata.EntryPoint]:
    every = metadata.entry_points()
    return [entry for group in sorted(every.groups) if group.startswith(_GROUPS) for entry in every.select(group=group)]


def _unknown(disabled: Sequence[str], known: Iterable[str]) -> Iterator[Problem]:
    """Names under ``spec.plugins.disabled`` that no plugin has, in whatever version of the API it is written."""
    for index, name in enumerate(disabled):
        if name not in known:
            yield Problem(f"no plugin is called {name!r}", did_you_mean(name, known), path=f"spec.plugins.disabled[{index}]")


def _other_versions(entries: Sequence[metadata.EntryPoint]) -> Iterator[Problem]:
    """Plugins for other versions of the API, but for those that come in this one too."""
    fitting = {_origin(entry) for entry in entries if entry.group == ENTRY_POINT_GROUP}
    for entry in entries:
        if entry.group != ENTRY_POINT_GROUP and _origin(entry) not in fitting:
            what = f"is written for plugin API {entry.group.removeprefix(_GROUPS)}; this is {API_VERSION}"
            yield Problem(what, f"Upgrade it, or {_LEAVE_OUT}", source=str(_origin(entry)))
