"""The infrastructure that the core offers to the services of the plugins, as records like theirs."""

from __future__ import annotations

from collections.abc import Sequence

from stackloom.errors import Problem, StackloomError
from stackloom.infra.ceph import CEPH_CLIENTS
from stackloom.infra.etcd import ETCD
from stackloom.infra.ingress import INGRESS
from stackloom.infra.mariadb import MARIADB
from stackloom.infra.memcached import MEMCACHED
from stackloom.infra.rabbitmq import NOTIFICATIONS, broker_for
from stackloom.infra.storage import STORAGE
from stackloom.model.service import Service

_SHARED: tuple[Service, ...] = (CEPH_CLIENTS, ETCD, INGRESS, MARIADB, MEMCACHED, NOTIFICATIONS, STORAGE)


def with_infrastructure(services: Sequence[Service]) -> tuple[Service, ...]:
    """``services`` and what they may stand on, sorted by name; a loader chooses among them.

    Raises StackloomError where a service has the name of a part of the infrastructure.
    """
    own = [*_SHARED, *(broker_for(service) for service in services if "messaging" in service.needs)]
    taken = sorted({s.name for s in own} & {s.name for s in services})
    if taken:
        raise StackloomError(
            Problem(f"the name {name!r} is that of a component of the core", "Rename the service") for name in taken
        )
    return tuple(sorted([*services, *own], key=lambda s: s.name))
