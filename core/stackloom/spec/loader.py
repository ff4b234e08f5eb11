"""From a deployment's content to the typed deployment, or to all that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from pydantic import ValidationError

from stackloom.errors import Problem, StackloomError
from stackloom.model.service import Service
from stackloom.spec import cr, rules
from stackloom.spec.defaults import with_defaults
from stackloom.spec.deployment import API_VERSION, KIND, OpenStackDeployment
from stackloom.spec.keys import known_keys
from stackloom.spec.messages import Finding, findings
from stackloom.spec.partial import as_far_as_valid
from stackloom.spec.paths import KeyPath, dig, parse, render
from stackloom.spec.selection import LIST, list_problems, requirement_problems, select
from stackloom.spec.source import Source
from stackloom.spec.tree import whole_tree

Blame = Callable[[Service], AbstractContextManager[object]]


def disabled_plugins(source: Source) -> tuple[str, ...]:
    """The names in ``spec.plugins.disabled``. What is wrong with that list is found by :func:`load`."""
    names = dig(source.data, "spec", "plugins", "disabled")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def load(
    source: Source, services: Sequence[Service], plugins: Collection[str] = (), blame: Blame = lambda _: nullcontext()
) -> OpenStackDeployment:
    """The deployment in ``source``, with the defaults of preset and size below what the operator wrote.

    ``services`` are those that plugins offer, ``plugins`` the names of the plugins. ``blame`` is entered around each service's
    own rules, to attribute what they raise. Raises StackloomError with every problem, each with file, line, column and key path.
    """
    return Specification(services, plugins).load(source, blame)


class Specification:
    """What a deployment may say, given the services that plugins offer. Made once, it loads any number of deployments.

    Raises StackloomError where two services model one subtree of ``features`` differently.
    """

    def __init__(self, services: Sequence[Service], plugins: Collection[str] = ()) -> None:
        self.services = sorted(services, key=lambda s: s.name)
        self.model = whole_tree(self.services, plugins)

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return self.model.model_json_schema(by_alias=True)

    def known_keys(self, path: KeyPath) -> dict[str, list[str]]:
        """The keys that may stand in the mapping at ``path``, each with its values where they can be counted."""
        return known_keys(self._schema, path)

    def load(self, source: Source, blame: Blame = lambda _: nullcontext()) -> OpenStackDeployment:
        """See :func:`load`."""
        return _Loading(self, source, blame).result()


class _Loading:
    """One deployment on its way; ``_problems`` grows from step to step."""

    def __init__(self, specification: Specification, source: Source, blame: Blame) -> None:
        self._specification = specification
        self._services = specification.services
        self._source = source
        self._blame = blame
        self._problems: list[Problem] = []

    def result(self) -> OpenStackDeployment:
        self._check_kind()
        data = self._without_refused()
        for path, problem in list_problems(dig(data, *LIST), self._services):
            self._add(path, problem)
        selection = select(data, self._services)
        data = with_defaults(data, self._services, selection)
        deployment, complete = self._validated(data)
        deployment._selection = selection  # noqa: SLF001 - what the loader knows and the models alone do not
        for problem in requirement_problems(selection, self._services):
            self._add(LIST, problem)
        self._apply_rules(deployment, complete=complete)
        if self._problems:
            raise StackloomError(self._problems)
        return deployment

    def _add(self, path: KeyPath, problem: Problem, *, at_key: bool = False) -> None:
        self._problems.append(replace(problem, path=render(path), location=self._source.locate(path, key=at_key)))

    def _check_kind(self) -> None:
        """Raise where the content is of another kind: every further message would be beside the point."""
        for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
            found = self._source.data.get(key)
            if found is None:
                self._add((key,), Problem("is missing", f"Add {key}: {wanted}"))
            elif found != wanted:
                self._add((key,), Problem(f"{found!r} is not {wanted}", f"Only {KIND} of {API_VERSION} is read here"))
        if self._problems:
            raise StackloomError(self._problems)

    def _without_refused(self) -> Any:
        """The content without what the CR has and is refused here; each refusal is a problem of its own."""
        offered = {s.type for s in self._services} | {s.name for s in self._services} | {s.features_name for s in self._services}
        refused = dict(cr.refusals(self._source.data, offered))
        for path, problem in refused.items():
            self._add(path, problem, at_key=True)
        return cr.without(self._source.data, set(refused))

    def _validated(self, data: Any) -> tuple[OpenStackDeployment, bool]:
        """The deployment as far as it is valid, and whether it is valid altogether."""
        try:
            return self._specification.model.model_validate(data), True
        except ValidationError as error:
            found = list(findings(error.errors(include_url=False), data, self._specification.known_keys))
        for finding in found:
            self._report(finding)
        return as_far_as_valid(self._specification.model, data, {finding.path for finding in found}), False

    def _report(self, finding: Finding) -> None:
        self._add(finding.path, finding.problem, at_key=finding.at_key)

    def _apply_rules(self, deployment: OpenStackDeployment, *, complete: bool) -> None:
        for rule in rules.COMMON:
            self._apply(partial(rule, deployment, self._services), complete=complete)
        for service in deployment._selection.all:  # noqa: SLF001 - as above
            if service.rules is not None and self._has_features(deployment, service):
                with self._collecting(), self._blame(service):
                    self._apply(partial(service.rules, deployment), complete=complete)

    @contextmanager
    def _collecting(self) -> Iterator[None]:
        try:
            yield
        except StackloomError as error:
            self._problems += error.problems

    def _has_features(self, deployment: OpenStackDeployment, service: Service) -> bool:
        """Whether there is anything to apply the rules to: not so where a service that is left out was told nothing."""
        try:
            deployment.features_of(service.features_name)
        except (LookupError, AttributeError):
            return False
        return True

    def _apply(self, rule: Callable[[], Iterable[Problem]], *, complete: bool) -> None:
        try:
            for problem in rule():
                path = parse(problem.path if problem.path.startswith("spec") else f"spec.{problem.path}", self._source.data)
                self._add(path, problem)
        except (AttributeError, LookupError):
            if complete:
                raise
            # The rule asked for a part that is not valid: what else it would find is found once that part is mended.
