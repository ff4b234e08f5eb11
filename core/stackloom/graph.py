"""The one graph of dependencies. From it come the start order, the gates, the network policies and the diagrams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.model.backend import BACKENDS, backend
from stackloom.model.service import Endpoint, Service

# Levels below those of the services: what everything needs, then the infrastructure.
BASE_LEVEL, BACKEND_LEVEL, FIRST_SERVICE_LEVEL = 0, 1, 2
# What `backs` says of the infrastructure through which the cloud's users come, and the name of its component.
INGRESS = "ingress"


def _owned(service: Service) -> Iterable[tuple[str, str]]:
    for endpoint in service.endpoints:
        names = {
            "Service of Kubernetes": endpoint.service,
            "type in the catalogue": endpoint.type,
            "public host": endpoint.public,
        }
        yield from ((what, name) for what, name in names.items() if name)
    for database in service.databases:
        yield "database", database.name
    for user in service.accounts:
        yield "account in Keystone", user.name


def _circle(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """A circle in the edges, or nothing: each needs the next, the last is the first again, and that is the first by name."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        ring = error.args[1][:0:-1]  # graphlib says who is needed before who needs it, and the last again as the first
        start = ring.index(min(ring))
        return [*ring[start:], *ring[:start], ring[start]]
    return []


class Graph:
    """The selected services and their edges.

    Raises :class:`StackloomError` with every requirement that nothing in the cloud meets, with what two services have and
    only one can, and with circles of services that would wait for each other.
    """

    def __init__(self, services: Sequence[Service], source_of: Callable[[str], str] = lambda _: "") -> None:
        self.services: Mapping[str, Service] = {s.name: s for s in sorted(services, key=lambda s: s.name)}
        self._by_type: dict[str, list[Service]] = {}
        for service in self.services.values():
            if not service.backs:  # infrastructure is asked for by what it backs
                self._by_type.setdefault(service.type, []).append(service)
        self._needs = {name: {p.name for p in self._providers(s)} - {name} for name, s in self.services.items()}
        problems = [*self._unmet(source_of), *self._duplicates(source_of), *self._circles(source_of)]
        if problems:
            raise StackloomError(problems)
        self._levels = self._sorted()

    def _unmet(self, source_of: Callable[[str], str]) -> Iterable[Problem]:
        for service in self.services.values():
            for wanted in sorted(service.requires - BACKENDS - set(self._by_type)):
                yield Problem(
                    f"the service {service.name!r} requires {wanted!r}, which nothing in this cloud provides",
                    did_you_mean(wanted, {*BACKENDS, *self._by_type}),
                    source=source_of(service.name),
                )

    def _duplicates(self, source_of: Callable[[str], str]) -> Iterable[Problem]:
        """What only one service of a cloud may have. One service may have several endpoints on one host."""
        taken: dict[tuple[str, str], str] = {}
        for service in self.services.values():
            for what, name in dict.fromkeys(_owned(service)):
                if taken.setdefault((what, name), service.name) != service.name:
                    yield Problem(
                        f"the {what} {name!r} is that of the service {taken[what, name]!r} and of {service.name!r}",
                        "Give one of them another",
                        source=source_of(service.name),
                    )

    def _circles(self, source_of: Callable[[str], str]) -> Iterable[Problem]:
        """Services that wait for each other, for ever. Circles that share a service are found one after the other."""
        needs = {name: sorted(needed) for name, needed in self._needs.items()}
        while ring := _circle(needs):
            for name in ring:
                needs.pop(name, None)
            yield Problem(
                f"services require each other in a circle: {' -> '.join(ring)}",
                "One of them can name another under `uses` instead of `requires`: then it does not wait for it",
                source=", ".join(dict.fromkeys(filter(None, map(source_of, ring)))),
            )

    def _sorted(self) -> dict[str, int]:
        levels: dict[str, int] = {}
        for name in TopologicalSorter(self._needs).static_order():
            first = BACKEND_LEVEL if self.services[name].backs else FIRST_SERVICE_LEVEL
            levels[name] = max((levels[n] + 1 for n in self._needs[name]), default=first)
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

    def waits_for(self, service: Service, needs: Iterable[str] | None = None) -> tuple[str, ...]:
        """The Services of Kubernetes that must answer before a Pod of ``service`` starts.

        They are those behind all that it requires, or behind ``needs``, among which the service itself may be.
        """
        wanted = service.requires if needs is None else frozenset(needs)
        backends = [backend(w, service.name).service for w in sorted(wanted & BACKENDS)]
        providers = [p for w in sorted(wanted) for p in self._by_type.get(w, []) if needs is not None or p.name != service.name]
        return (*backends, *(e.service for p in providers for e in p.endpoints if e.type))

    def callees(self, service: Service) -> list[tuple[str, int]]:
        """(component, port) of all that ``service`` may call, sorted."""
        if service.backs == INGRESS:
            return sorted((s.name, e.port) for s in self.services.values() for e in s.endpoints if e.public)
        ports = {(b.component, b.port) for b in (backend(r, service.name) for r in service.needs & BACKENDS)}
        ports |= {(p.name, e.port) for w in service.needs for p in self._by_type.get(w, []) for e in p.endpoints}
        return sorted(ports - {(service.name, e.port) for e in service.endpoints})

    def callers(self, service: Service) -> list[str]:
        """The names of the services that may call ``service``, sorted."""
        others = (s for s in self.services.values() if s.name != service.name)
        return sorted(s.name for s in others if (service.serves(s) if service.backs else service.type in s.needs))
