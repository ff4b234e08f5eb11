"""How a service reaches Ceph: as a user of its own, whose key and rights follow from what the services ask for.

A user has one Secret, ``ceph-client-<user>``, with the keys ``ceph.conf``, ``keyring`` and ``key`` (the key alone). The component
``ceph`` makes user and Secret, once every service has said what it needs; see :mod:`stackloom.infra.ceph`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.manifests.files import SecretDirectory, SecretFile
from stackloom.manifests.gate import Gate
from stackloom.manifests.pod import Container
from stackloom.model.backend import CEPH
from stackloom.model.credential import SecretKey

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.spec.deployment import OpenStackDeployment

JOB = "ceph-clients"
# The monitors, in both versions of their protocol, and what OSDs and managers listen on.
PORTS = (3300, 6789, range(6800, 7569))
_DIRECTORY = "/etc/ceph"


@dataclass(slots=True)
class Client:
    """A user of Ceph: the pools that it works in, and those that it only reads; or its rights, where pools do not tell them."""

    pools: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    rights: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class CephClients:
    """The users that the services of a cloud have asked for, by name."""

    by_user: dict[str, Client] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.by_user)

    def asked(
        self, user: str, pools: Iterable[str] = (), reads: Iterable[str] = (), rights: Mapping[str, str] | None = None
    ) -> None:
        """Note what the user needs, beside what it needs for others."""
        client = self.by_user.setdefault(user, Client())
        client.pools.update(pools)
        client.reads.update(reads)
        client.rights.update(rights or {})

    @property
    def secrets(self) -> list[str]:
        """The Secrets of all."""
        return [secret_of(user) for user in sorted(self.by_user)]

    def namespaces(self, deployment: OpenStackDeployment) -> list[str]:
        """The namespaces of others in which the component ``ceph`` has objects."""
        ceph = deployment.spec.features.ceph
        return [ceph.rook_namespace] if self and ceph.provision.enabled and ceph.rook_namespace else []

    def awaited(self, deployment: OpenStackDeployment, gate: Gate, containers: Iterable[Container]) -> Gate:
        """The gate of a Pod, which waits for the Job too if its containers read what the Job makes."""
        read = {secret for container in containers for secret in _secrets_of(container)}
        if not deployment.spec.features.ceph.provision.enabled or read.isdisjoint(self.secrets):
            return gate
        return replace(gate, lasting_jobs=(*gate.lasting_jobs, JOB))


def _secrets_of(container: Container) -> Iterable[str]:
    yield from (file.secret for file in container.files if isinstance(file, SecretFile | SecretDirectory))
    yield from (value.secret for value in container.env.values() if isinstance(value, SecretKey))


def secret_of(user: str) -> str:
    """The Secret of a user."""
    return f"ceph-client-{user}"


def ceph_pool(ctx: ServiceContext, use: str) -> str:
    """The name of the pool for a use: ``images``, ``volumes``, ``backups``, ``vms`` or ``metrics``."""
    pools = ctx.deployment.spec.features.ceph.pools.model_dump()
    if use not in pools:
        raise StackloomError(Problem(f"the service {ctx.name!r} asks for a pool for {use!r}", did_you_mean(use, pools)))
    return str(pools[use])


def ceph_files(
    ctx: ServiceContext,
    user: str,
    *,
    pools: Sequence[str] = (),
    reads: Sequence[str] = (),
    named: Sequence[str] = (),
    rights: Mapping[str, str] | None = None,
) -> tuple[SecretFile, ...]:
    """The files with which the service reaches Ceph as ``user``: give them to what reads them, as ``config``.

    The user may work in the ``pools``, and read those of ``reads``, all by their use as :func:`ceph_pool` has it; ``named`` are
    pools to work in by their own names. Several services may share a user, who then may do what any of them asked for.
    ``rights`` are Ceph's own words for what a user may (``{"mon": "allow r"}``), for one that makes its pools itself: it then has
    these and no others.
    """
    _ask(ctx, user, [*(ceph_pool(ctx, use) for use in pools), *named], [ceph_pool(ctx, use) for use in reads], rights)
    secret = secret_of(user)
    return (
        SecretFile(f"{_DIRECTORY}/ceph.conf", secret, "ceph.conf"),
        SecretFile(f"{_DIRECTORY}/ceph.client.{user}.keyring", secret, "keyring"),
    )


def ceph_user_key(ctx: ServiceContext, user: str) -> SecretKey:
    """The bare key of ``user``, for what takes no keyring (libvirt)."""
    _ask(ctx, user)
    return SecretKey(secret=secret_of(user), key="key")


def _ask(
    ctx: ServiceContext,
    user: str,
    pools: Sequence[str] = (),
    reads: Sequence[str] = (),
    rights: Mapping[str, str] | None = None,
) -> None:
    ctx.declared(CEPH)
    ctx.ceph_clients.asked(user, pools, reads, rights)
    ctx.allow_egress(*(port for port in PORTS if port not in ctx.egress_ports))
