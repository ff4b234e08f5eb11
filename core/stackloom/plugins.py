"""Finding, loading and asking plugins.

A plugin that fails stops the run under its own name, distribution and version. It is never skipped: what it makes would
vanish from the output, and Argo CD would prune a service that runs. Leaving one out is explicit (``plugins.disabled``).
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

import pluggy

from stackloom import hookspecs
from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.hookspecs import API_VERSION, ENTRY_POINT_GROUP, PROJECT
from stackloom.model.service import Service

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plugin comes from: for every message about it."""

    plugin: str
    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"plugin {self.plugin} ({self.distribution} {self.version})" if self.distribution else f"plugin {self.plugin}"


class Plugins:
    """The plugins of this run and the services that they add, sorted by name."""

    def __init__(self, manager: pluggy.PluginManager, origins: dict[str, Origin]) -> None:
        self.manager = manager
        self._origins = origins
        self._origin_of_service: dict[str, Origin] = {}
        self.services: tuple[Service, ...] = self._collect_services()

    @property
    def origins(self) -> Sequence[Origin]:
        """The loaded plugins."""
        return [self._origins[name] for name in sorted(self._origins)]

    def origin_of(self, service: str) -> Origin:
        """The plugin that added the service of this name."""
        return self._origin_of_service[service]

    def ask(self, hook: str, **arguments: Any) -> Iterable[tuple[Origin, Any]]:
        """Each plugin's answer to a hook, plugins in the order of their names. What it raises becomes a problem of its own."""
        for name in sorted(self._origins):
            others = [self.manager.get_plugin(other) for other in self._origins if other != name]
            caller = self.manager.subset_hook_caller(hook, remove_plugins=others)
            with blaming(self._origins[name], f"in {hook}"):
                for answer in caller(**arguments):
                    yield self._origins[name], answer

    def _collect_services(self) -> tuple[Service, ...]:
        found: dict[str, Service] = {}
        problems: list[Problem] = []
        for origin, answer in self.ask("stackloom_services"):
            with collecting(problems), blaming(origin, "in stackloom_services"):
                for service in answer:
                    problems += _service_problems(service, origin, found, self._origin_of_service)
                    if isinstance(service, Service) and service.name not in found:
                        found[service.name] = service
                        self._origin_of_service[service.name] = origin
        if problems:
            raise StackloomError(problems)
        return tuple(found[name] for name in sorted(found))


def _service_problems(service: Any, origin: Origin, found: dict[str, Service], owners: dict[str, Origin]) -> list[Problem]:
    if not isinstance(service, Service):
        return [
            Problem(
                f"stackloom_services yielded {service!r}, not a Service", "Yield stackloom.Service records", source=str(origin)
            )
        ]
    if service.name in found:
        return [
            Problem(
                f"the service {service.name!r} is added by {owners[service.name]} already",
                "Rename one of them, or leave one plugin out with spec.plugins.disabled",
                source=str(origin),
            )
        ]
    return []


class blaming:  # noqa: N801 - reads as a statement: with blaming(origin, "in build")
    """Turn whatever a plugin raises into a problem that names the plugin and the line of its code."""

    def __init__(self, origin: Origin, doing: str) -> None:
        self._origin, self._doing = origin, doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is None or (isinstance(error, GeneratorExit | KeyboardInterrupt | StackloomError) and not _unattributed(error)):
            return
        if isinstance(error, StackloomError):
            raise StackloomError(_attributed(p, self._origin) for p in error.problems) from error
        if isinstance(error, Exception):
            raise StackloomError(_failure(error, self._origin, self._doing)) from error


def _unattributed(error: BaseException) -> bool:
    return isinstance(error, StackloomError) and any(not p.source and p.location is None for p in error.problems)


def _attributed(problem: Problem, origin: Origin) -> Problem:
    return problem if problem.source or problem.location else Problem(problem.what, problem.hint, problem.path, None, str(origin))


def _failure(error: Exception, origin: Origin, doing: str) -> Problem:
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    outside = [f for f in frames if f"{os.sep}stackloom{os.sep}" not in f.filename and "importlib" not in f.filename]
    where = f", at {os.path.basename(outside[-1].filename)}:{outside[-1].lineno} in {outside[-1].function}" if outside else ""  # noqa: PTH119
    return Problem(
        f"{type(error).__name__} {doing}{where}: {error}",
        "This is a fault of the plugin: upgrade it, or report it to its authors",
        source=str(origin),
    )


class collecting:  # noqa: N801 - reads as a statement
    """Gather the problems of a block instead of stopping at the first one that has any."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, StackloomError):
            self._problems += error.problems
            return True
        return False


def _origin(entry: metadata.EntryPoint) -> Origin:
    dist = entry.dist
    return Origin(entry.name, dist.name if dist else "", dist.version if dist else "")


def _other_versions(entries: Iterable[metadata.EntryPoint]) -> list[Problem]:
    prefix = f"{PROJECT}.plugin."
    return [
        Problem(
            f"is written for plugin API {entry.group.removeprefix(prefix)}; this is {API_VERSION}",
            "Upgrade it, or leave it out with spec.plugins.disabled",
            source=str(_origin(entry)),
        )
        for entry in entries
        if entry.group.startswith(prefix) and entry.group != ENTRY_POINT_GROUP
    ]


def _installed() -> list[metadata.EntryPoint]:
    installed = metadata.entry_points()
    groups = [group for group in installed.groups if group.startswith(f"{PROJECT}.plugin.")]
    return [entry for group in sorted(groups) for entry in installed.select(group=group)]


def _register(manager: pluggy.PluginManager, name: str, plugin: object, origin: Origin) -> list[Problem]:
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        return [
            Problem(" ".join(str(error).split()), "See docs/plugins.md for the hooks and their arguments", source=str(origin))
        ]
    return []


def load(
    *,
    disabled: Iterable[str] = (),
    entry_points: Iterable[metadata.EntryPoint] | None = None,
    extra: dict[str, ModuleType | object] | None = None,
    trace: Callable[[str], object] | None = None,
) -> Plugins:
    """Load the plugins of the entry points (of this environment, unless given), but not those that are ``disabled``.

    ``extra`` registers further objects by name, as a user's ``main.py`` or a test does. ``STACKLOOM_TRACE_PLUGINS=1`` writes each
    hook call to standard error. Every plugin that cannot be loaded is a problem; all are raised together.
    """
    off = set(disabled)
    every = _installed() if entry_points is None else list(entry_points)
    named = sorted((e for e in every if e.group == ENTRY_POINT_GROUP), key=lambda e: (e.name, str(_origin(e))))
    problems = _other_versions(e for e in every if e.name not in off)
    unknown = off - {e.name for e in every if e.group.startswith(f"{PROJECT}.plugin.")} - set(extra or {})
    problems += [
        Problem(f"no plugin is called {name!r}", did_you_mean(name, {e.name for e in named}), path="spec.plugins.disabled")
        for name in sorted(unknown)
    ]
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    if trace or os.environ.get("STACKLOOM_TRACE_PLUGINS"):
        manager.trace.root.setwriter(trace or (lambda text: _log.warning("%s", text.rstrip())))
        manager.enable_tracing()
    origins: dict[str, Origin] = {}
    for entry in named:
        if entry.name in off:
            continue
        origin = _origin(entry)
        if entry.name in origins:
            problems.append(
                Problem(
                    f"the name {entry.name!r} is taken by {origins[entry.name]}", "Uninstall one of the two", source=str(origin)
                )
            )
            continue
        with collecting(problems), blaming(origin, "on import"):
            module = entry.load()
            problems += (wrong := _register(manager, entry.name, module, origin))
            if not wrong:
                origins[entry.name] = origin
    for name, plugin in (extra or {}).items():
        if name not in off:
            origin = Origin(name)
            problems += (wrong := _register(manager, name, plugin, origin))
            if not wrong:
                origins[name] = origin
    if problems:
        raise StackloomError(problems)
    return Plugins(manager, origins)
