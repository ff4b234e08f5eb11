"""The infrastructure that the core offers to the services of the plugins, as records like theirs."""

from __future__ import annotations

from collections.abc import Sequence

from stackloom.errors import Problem, StackloomError
from stackloom.infra.storage import STORAGE
from stackloom.model.service import Service

# A broker for each service that needs a bus is added to these.
_SHARED: tuple[Service, ...] = (STORAGE,)


def with_infrastructure(services: Sequence[Service]) -> tuple[Service, ...]:
    """``services`` and what they may stand on, sorted by name; a loader chooses among them.

    Raises StackloomError where a service has the name of a part of the infrastructure.
    """
    own = [*_SHARED]
    taken = sorted({s.name for s in own} & {s.name for s in services})
    if taken:
        raise StackloomError(
            Problem(f"the name {name!r} is that of a component of the core", "Rename the service") for name in taken
        )
    return tuple(sorted([*services, *own], key=lambda s: s.name))
