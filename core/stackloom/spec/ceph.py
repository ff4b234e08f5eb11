"""``spec.features.ceph``: the Ceph in which services keep images, volumes, backups, disks of servers and metrics."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from stackloom.fields import DnsLabel, Secret, SpecModel, refuse

_HOST = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?|\[[0-9a-f:.]+\]"


def _monitor(value: str) -> str:
    match = re.fullmatch(rf"({_HOST}):([0-9]{{1,5}})", value)
    if match is None or not 0 < int(match[3]) < 65536:
        refuse(f"{value!r} is not the address of a monitor", "Write host:port, like 10.0.0.1:3300 or [2001:db8::1]:6789")
    return value


def _name(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][-A-Za-z0-9_.]*", value) is None:
        refuse(f"{value!r} is not the name of a pool", "Use letters, digits, dashes, dots and underscores")
    return value


Monitor = Annotated[str, AfterValidator(_monitor)]
PoolName = Annotated[str, AfterValidator(_name)]


class Rook(SpecModel):
    """A Ceph that Rook runs in the same Kubernetes."""

    namespace: DnsLabel = "rook-ceph"
    """The namespace of Rook's CephCluster."""


class Pools(SpecModel):
    """The pools by what is kept in them."""

    images: PoolName = "images"
    """Images of Glance."""
    volumes: PoolName = "volumes"
    """Volumes of Cinder."""
    backups: PoolName = "backups"
    """Backups of volumes."""
    vms: PoolName = "vms"
    """Disks of servers."""
    metrics: PoolName = "metrics"
    """Measures of Gnocchi."""


class Provision(SpecModel):
    """Pools and users that are made in Ceph, each with no more rights than its service needs."""

    enabled: bool = True
    """Make them. False: you make the pools, and the Secrets ``ceph-client-<user>`` in the deployment's namespace."""
    keyring: Secret | None = None
    """With ``monitors``: the keyring of a user who may make pools and users, as ``ceph auth get client.admin`` prints it.
    Only the Job that makes them reads it."""
    replicas: Annotated[int, Field(ge=2, le=10)] | None = None
    """How many copies the pools keep of all data. Absent: what Ceph's own default is when a pool is made."""
    application: PoolName = "rbd"
    """The application that the pools are marked with."""


class Ceph(SpecModel):
    """A Ceph that is there already. Without a word it is Rook's, in the namespace ``rook-ceph``."""

    monitors: list[Monitor] = Field(default_factory=list)
    """The monitors of a Ceph outside, as host:port."""
    rook: Rook | None = None
    """A Ceph of Rook in the same Kubernetes. Give this or ``monitors``."""
    pools: Pools = Pools()
    """The pools by what is kept in them."""
    provision: Provision = Provision()
    """What is made in Ceph."""

    @property
    def rook_namespace(self) -> str:
        """The namespace of Rook, or "" where Ceph is outside."""
        return "" if self.monitors else (self.rook or Rook()).namespace
