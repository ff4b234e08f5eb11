"""The one graph of dependencies. From it come the start order, the gates, the network policies and the diagrams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.model.backend import BACKENDS, backend
from stackloom.model.service import Endpoint, Service

# Levels below those of the services: what everything needs, then the infrastructure.
BASE_LEVEL, BACKEND_LEVEL, FIRST_SERVICE_LEVEL = 0, 1, 2


class Graph:
    """The selected services and their edges.

    Raises :class:`StackloomError` with every requirement that nothing in the cloud meets, and with every cycle.
    """

    def __init__(self, services: Sequence[Service], source_of: Callable[[str], str] = lambda _: "") -> None:
        self.services: Mapping[str, Service] = {s.name: s for s in sorted(services, key=lambda s: s.name)}
        self._by_type: dict[str, list[Service]] = {}
        for service in self.services.values():
            self._by_type.setdefault(service.type, []).append(service)
        problems = [*self._unmet(source_of), *self._duplicate_endpoints(source_of)]
        if problems:
            raise StackloomError(problems)
        self._levels = self._sorted(source_of)

    def _unmet(self, source_of: Callable[[str], str]) -> Iterable[Problem]:
        for service in self.services.values():
            for wanted in sorted(service.requires - BACKENDS - set(self._by_type)):
                yield Problem(
                    f"the service {service.name!r} requires {wanted!r}, which nothing in this cloud provides",
                    did_you_mean(wanted, {*BACKENDS, *self._by_type}),
                    source=source_of(service.name),
                )

    def _duplicate_endpoints(self, source_of: Callable[[str], str]) -> Iterable[Problem]:
        taken: dict[str, str] = {}
        for service in self.services.values():
            for endpoint in service.endpoints:
                for what in (f"the Service {endpoint.service!r}", f"the public host {endpoint.public!r}"):
                    if what.endswith("None") or taken.setdefault(what, service.name) == service.name:
                        continue
                    yield Problem(
                        f"{what} is used by the service {taken[what]!r} and by {service.name!r}",
                        "Give one of the endpoints another name",
                        source=source_of(service.name),
                    )

    def _sorted(self, source_of: Callable[[str], str]) -> dict[str, int]:
        needs = {name: {p.name for p in self._providers(service)} - {name} for name, service in self.services.items()}
        try:
            order = list(TopologicalSorter(needs).static_order())
        except CycleError as error:
            ring = list(reversed(error.args[1]))
            raise StackloomError(
                Problem(
                    f"services require each other in a circle: {' -> '.join(ring)}",
                    "One of them can name another under `uses` instead of `requires`: then it does not wait for it",
                    source=", ".join(dict.fromkeys(filter(None, map(source_of, ring)))),
                )
            ) from error
        levels: dict[str, int] = {}
        for name in order:
            levels[name] = max((levels[n] + 1 for n in needs[name]), default=FIRST_SERVICE_LEVEL)
        return levels

    def _providers(self, service: Service) -> list[Service]:
        return [p for wanted in sorted(service.requires) for p in self._by_type.get(wanted, [])]

    def level(self, component: str) -> int:
        """How early a component starts: 0 for what everything needs, larger for what waits for more."""
        return self._levels.get(component, BACKEND_LEVEL)

    def provides(self, service_type: str) -> bool:
        """Whether a service of this type is in the cloud."""
        return service_type in self._by_type

    def endpoint(self, service_type: str, name: str = "api") -> Endpoint | None:
        """The endpoint ``name`` of the service of this type, or None."""
        found = (e for s in self._by_type.get(service_type, []) for e in s.endpoints if e.name == name)
        return next(found, None)

    def waits_for(self, service: Service) -> tuple[str, ...]:
        """The Services of Kubernetes that must answer before a Pod of ``service`` starts."""
        backends = [backend(r, service.name).service for r in sorted(service.requires & BACKENDS)]
        return (
            *backends,
            *(e.service for p in self._providers(service) for e in p.endpoints if e.type and p.name != service.name),
        )

    def callees(self, service: Service) -> list[tuple[str, int]]:
        """(component, port) of all that ``service`` may call, sorted."""
        wanted = service.requires | service.uses
        ports = {(b.component, b.port) for b in (backend(r, service.name) for r in wanted & BACKENDS)}
        ports |= {(p.name, e.port) for w in wanted for p in self._by_type.get(w, []) for e in p.endpoints}
        return sorted(ports - {(service.name, e.port) for e in service.endpoints})

    def callers(self, service: Service) -> list[str]:
        """The names of the services that may call ``service``, sorted."""
        return sorted(s.name for s in self.services.values() if s.name != service.name and service.type in s.requires | s.uses)
