"""Which services a deployment has: the preset's or the operator's own list, among those that plugins offer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stackloom.errors import Problem, did_you_mean
from stackloom.model.backend import BACKENDS, CEPH
from stackloom.model.service import Service
from stackloom.spec import cr
from stackloom.spec.paths import KeyPath, dig


@dataclass(frozen=True, slots=True)
class Selection:
    """The services that were chosen, sorted by name: those that are built, and those that no plugin builds yet."""

    services: tuple[Service, ...] = ()
    left_out: tuple[Service, ...] = ()

    @property
    def all(self) -> tuple[Service, ...]:
        """All that were chosen."""
        return (*self.services, *self.left_out)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of all, sorted."""
        return tuple(sorted({s.type for s in self.all}))


LIST: KeyPath = ("spec", "features", "services")


def select(data: object, services: Sequence[Service]) -> Selection:
    """The services that ``data`` chooses. What is wrong with its list is left aside here: see :func:`list_problems`."""
    asked, preset = dig(data, *LIST), dig(data, "spec", "preset")
    wanted = [s for s in services if (s.type in asked if isinstance(asked, list) else preset in tuple(s.presets))]
    built = [s for s in wanted if s.build and not s.client]
    chosen = sorted([*built, *_infrastructure(built, services)], key=lambda s: s.name)
    return Selection(tuple(chosen), tuple(sorted((s for s in wanted if not s.build), key=lambda s: s.name)))


def _infrastructure(chosen: Sequence[Service], services: Sequence[Service]) -> Iterator[Service]:
    """What the chosen services stand on, and what every cloud has."""
    for service in services:
        wanted = service.backs not in {*BACKENDS, CEPH} or any(service.serves(other) for other in chosen)
        if service.backs and wanted and service not in chosen:
            yield service


def list_problems(asked: object, services: Sequence[Service]) -> Iterator[tuple[KeyPath, Problem]]:
    """What is wrong with the names in ``features.services``, each with its path."""
    if not isinstance(asked, list):
        return
    if not asked:
        yield LIST, Problem("names no service", "Name some, or leave the list out to get the preset's")
    for index, name in enumerate(asked):
        if isinstance(name, str) and name:
            found = _name_problem(name, services) or _twice(name, asked[:index])
            if found:
                yield (*LIST, index), found


def _built_by_type(services: Sequence[Service]) -> dict[str, bool]:
    """The types of the services, each with whether any plugin builds it."""
    built = {s.type for s in services if s.build}
    return {s.type: s.type in built for s in services}


def _name_problem(name: str, services: Sequence[Service]) -> Problem | None:
    offered = _built_by_type(services)
    if name in offered:
        if not offered[name]:
            return Problem(f"{name} is not supported yet", "Leave it out of the list")
        return None
    if name in cr.INFRASTRUCTURE:
        return None
    if name in cr.SERVICES_NOT_BUILT:
        return Problem(f"{name} {cr.SERVICES_NOT_BUILT[name]}", "Leave it out of the list")
    if name.startswith("~"):
        return Problem(f"{name!r} takes nothing away: this list replaces the preset's", f"Leave {name[1:]} out of the list")
    of_this_name = [f"Write {s.type}: services are listed by type" for s in services if s.name == name]
    close = did_you_mean(name, [*offered, *cr.INFRASTRUCTURE]) or "Install the plugin that adds it, or leave it out"
    hint = of_this_name[0] if of_this_name else close
    return Problem(f"no plugin offers the service {name!r}", hint)


def _twice(name: str, before: list[object]) -> Problem | None:
    return Problem(f"{name} stands in the list twice", "Name each service once") if name in before else None


def requirement_problems(selection: Selection, services: Sequence[Service]) -> Iterator[Problem]:
    """Services that were chosen without one that they need, of ``services`` or at all: one problem for each that is missing."""
    chosen = _built_by_type(selection.all)
    offered = {s.type for s in services} | cr.SERVICES_NOT_BUILT.keys()
    for need in sorted({need for service in selection.all for need in service.requires - BACKENDS}):
        askers = sorted({s.type for s in selection.all if need in s.requires})
        built = sorted({s.type for s in selection.services if need in s.requires})
        if need not in offered:
            hint = did_you_mean(need, [*offered, *BACKENDS]) or f"Install the plugin that adds it, or leave out {askers[0]}"
            yield Problem(f"{_need(askers)} {need}, which no installed plugin offers", hint)
        elif need not in chosen:
            leave = f", or leave out {askers[0]}" if len(askers) == 1 else ""
            hint = f"Add {need} to spec.features.services{leave}: a list there replaces the preset's"
            yield Problem(f"{_need(askers)} {need}, which is not among the services", hint)
        elif built and not chosen[need]:
            yield Problem(
                f"{_need(built)} {need}, which is not supported yet", f"Leave {_and(built)} out of spec.features.services"
            )


def _need(names: Sequence[str]) -> str:
    return f"{_and(names)} {'needs' if len(names) == 1 else 'need'}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
