"""Clouds of generated services, each with what a real one has: API, worker, database, migration, catalogue, buses, clean-up."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stackloom import Cleanup, Credential, Database, Endpoint, Probes, Service, ServiceUser, Value, hookimpl, openstack_image
from stackloom.plugins import Plugins, load
from stackloom.spec.deployment import OpenStackDeployment

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

_ADMIN_KEYS = ("username", "password", "project_name", "user_domain_name", "project_domain_name")


def plugin(service: Service) -> ModuleType:
    """A plugin with one service: a module, as most plugins are."""

    @hookimpl
    def stackloom_services() -> Iterable[Service]:
        yield service

    module = ModuleType(service.name)
    module.stackloom_services = stackloom_services  # type: ignore[attr-defined]
    return module


def plugins(count: int) -> Plugins:
    """``count`` plugins, the first of them with an identity service that the others call."""
    return load(entry_points=[], extra={s.name: plugin(s) for s in map(service, range(count))})


def deployment(count: int) -> OpenStackDeployment:
    """A cloud of them all."""
    return OpenStackDeployment.model_validate(
        {
            "metadata": {"name": "bench"},
            "spec": {
                "openstack_version": "gazpacho",
                "preset": "core",
                "size": "small",
                "public_domain_name": "cloud.example.org",
                "features": {"services": [service(i).type for i in range(count)]},
            },
        }
    )


def service(number: int) -> Service:
    """The service of this number."""
    name = f"service-{number:03}"
    first = number == 0
    admin = Credential(
        name="keystone-admin", keys={key: Value.password() for key in _ADMIN_KEYS}, readers=frozenset({"task:catalogue"})
    )
    return Service(
        name=name,
        type="identity" if first else f"type-{number:03}",
        build=build,
        requires=frozenset({"database", "cache", "messaging", *(() if first else ("identity",))}),
        uses=frozenset({"notifications"}),
        endpoints=(
            Endpoint(service=f"{name}-api", port=5000 + number, type="identity" if first else f"type-{number:03}", public=name),
        ),
        images={name: openstack_image("generated")},
        databases=(Database(name.replace("-", "_")),),
        user=ServiceUser(name=name),
        credentials=(admin,) if first else (),
        conf=(name,),
        cleanup=Cleanup(schedule="1 0 * * *"),
    )


def build(ctx: ServiceContext) -> None:
    """What most services have."""
    sections: dict[str, dict[str, Any]] = {
        "database": {"connection_recycle_time": 300},
        "cache": {"enabled": True, "memcache_servers": ctx.memcached_servers()},
    }
    config = ctx.oslo_config(f"{ctx.name}.conf", sections)
    migration = ctx.migrate_database([f"{ctx.name}-manage", "db", "sync"], config=config)
    ctx.register_in_catalogue()
    ctx.api(wsgi="generated.wsgi:application", config=config, after=[migration])
    ctx.worker(
        "worker",
        command=[f"{ctx.name}-worker"],
        config=config,
        after=[migration],
        replicas=2,
        probes=Probes(command=("pgrep", "python3")),
    )
    ctx.clean_database([f"{ctx.name}-manage", "db", "purge"], config=config)
