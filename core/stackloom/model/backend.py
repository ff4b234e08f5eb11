"""The infrastructure that services stand on, by the names with which they require it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backend:
    """Infrastructure behind a Service of Kubernetes: ``component`` is its folder and its Pods' ``application`` label."""

    component: str
    service: str
    port: int


_AMQP = 5672
_SHARED = {
    "database": Backend("mariadb", "mariadb", 3306),
    "cache": Backend("memcached", "memcached", 11211),
    "coordination": Backend("etcd", "etcd", 2379),
    "notifications": Backend("rabbitmq-notifications", "rabbitmq-notifications", _AMQP),
}
# Every requirement that infrastructure meets. What else a Service of the core backs is there for the cloud as a whole.
BACKENDS = frozenset({*_SHARED, "messaging"})
# A requirement without a Service of Kubernetes behind it: the component for it comes with the services that name it.
CEPH = "ceph"


def backend(requirement: str, service: str) -> Backend:
    """What stands behind ``requirement`` for the service of this name: the bus is the service's own, the rest is shared."""
    if requirement == "messaging":
        return Backend(f"rabbitmq-{service}", f"rabbitmq-{service}", _AMQP)
    return _SHARED[requirement]
