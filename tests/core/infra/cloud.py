"""A cloud with every part of the infrastructure: of two sample services that stand on all of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from stackloom import Database, Endpoint, Image, Service, ServiceContext, ServiceUser, Value, hookimpl
from stackloom.infra.offered import with_infrastructure
from stackloom.plugins import Plugins, load
from tests.bad_inputs import USUAL, patched

_IMAGE = "registry.example.org/openstack"


def _identity(ctx: ServiceContext) -> None:
    admin = ("username", "password", "project_name", "user_domain_name", "project_domain_name")
    ctx.credential("keystone-admin", {key: Value.constant(key) for key in admin}, readers=["task:catalogue"])
    ctx.api(config=[], command=["keystone"], env=ctx.admin_env())


def _volumes(ctx: ServiceContext) -> None:
    coordination = {"backend_url": ctx.coordination_url()}
    config = ctx.oslo_config("cinder.conf", {"coordination": coordination})
    migration = ctx.migrate_database(["cinder-manage", "db", "sync"], config=[config])
    ctx.register_in_catalogue()
    ctx.api(config=[config, ctx.coordination_files()], command=["cinder-api"], after=[migration])


IDENTITY = Service(
    name="keystone",
    type="identity",
    build=_identity,
    requires=frozenset({"cache", "database"}),
    endpoints=(Endpoint(service="keystone-api", port=5000, type="identity", path="/v3", public="keystone"),),
    images={"keystone": Image(f"{_IMAGE}/keystone", "1")},
)
VOLUMES = Service(
    name="cinder",
    type="block-storage",
    build=_volumes,
    requires=frozenset({"identity", "database", "cache", "coordination", "messaging", "notifications"}),
    endpoints=(Endpoint(service="cinder-api", port=8776, type="block-storage", path="/v3", public="cinder"),),
    images={"cinder": Image(f"{_IMAGE}/cinder", "1")},
    databases=(Database("cinder"),),
    user=ServiceUser("cinder"),
    conf=("cinder",),
)


class _Plugin:
    @hookimpl
    def stackloom_services(self) -> Iterator[Service]:
        """The two services."""
        yield from (IDENTITY, VOLUMES)


@cache
def plugins() -> Plugins:
    """The sample services, and no plugin that is installed."""
    return load(entry_points=[], extra={"sample": _Plugin()})


INFRASTRUCTURE = frozenset(s.name for s in with_infrastructure((IDENTITY, VOLUMES)) if s.backs)


def cloud(features: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """The deployment of both, small unless ``spec`` says otherwise."""
    data = patched(USUAL, {"spec": {"size": "small", "features": {"services": ["identity", "block-storage"]}}})
    return patched(data, {"spec": {**spec, "features": features or {}}})
