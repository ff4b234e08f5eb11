"""Gnocchi's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import BySize, Resources
from stackloom_openstack.gnocchi import storage
from stackloom_openstack.gnocchi.features import Storage, TelemetryFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.manifests.pod import Env

REPLICAS = BySize(tiny=3, small=3, medium=5)
API_WORKERS = BySize(single=2, tiny=2, small=4, medium=4)
# Processes that aggregate, in each Pod.
AGGREGATING = BySize(single=1, tiny=1, small=2, medium=4)
# Of one process. Gnocchi's own number is that of the node's processors.
THREADS = 4
DAY = 24 * 60 * 60
# A resource that is gone is forgotten when nothing that was measured of it is kept any more.
FORGOTTEN_AFTER = 30 * DAY


def build(ctx: ServiceContext) -> None:
    """Database, room for measures, API, what aggregates them, catalogue."""
    chosen = ctx.features_as(TelemetryFeatures).storage
    storage.provide(ctx, chosen)
    config = ctx.oslo_config("gnocchi.conf", sections(ctx, chosen))
    kept = storage.access(ctx, chosen)
    # The two halves of one program: the first needs the database alone.
    index = ctx.migrate_database(["gnocchi-upgrade", "--skip-storage", "--skip-incoming"], config=config)
    room = ctx.task(
        "storage-upgrade",
        command=["gnocchi-upgrade", "--skip-index", "--skip-archive-policies-creation"],
        config=[*config, *kept.config],
        env=kept.env,
        mounts=kept.mounts,
        needs=["database"],
        after=[index],
    )
    registered = ctx.register_in_catalogue()
    # Who takes part in the work, and who has which share of it, stands in etcd. The address counts as a secret in the file.
    files = [*config, *kept.config, *ctx.coordination_files()]
    env: Env = {**kept.env, "OS_DEFAULT__COORDINATION_URL": ctx.coordination_url()}
    ctx.api(
        # Not in gnocchi.wsgi, which Epoxy does not have.
        wsgi="gnocchi.rest.wsgi:application",
        config=files,
        env=env,
        mounts=kept.mounts,
        after=[index, room, registered],
        replicas=REPLICAS,
        workers=API_WORKERS,
    )
    ctx.worker(
        "metricd",
        command=["gnocchi-metricd"],
        config=files,
        env={**ctx.database_env(), **env},
        credentials=False,
        mounts=kept.mounts,
        needs=["coordination", "database"],
        after=[index, room],
        replicas=REPLICAS,
        resources=room_for(ctx.by_size(AGGREGATING)),
        connected_to="OS_INDEXER__URL",
    )


def sections(ctx: ServiceContext, chosen: Storage) -> dict[str, dict[str, Any]]:
    """gnocchi.conf."""
    return {
        "DEFAULT": {"parallel_operations": THREADS, "verbose": ctx.log_level in ("DEBUG", "INFO")},
        "api": {"auth_mode": "keystone", "enable_proxy_headers_parsing": True},
        "metricd": {"workers": ctx.by_size(AGGREGATING), "resource_cleanup_after": FORGOTTEN_AFTER},
        "storage": storage.section(ctx, chosen),
    }


def room_for(processes: int) -> Resources:
    """What that many processes want beside the three that look after them: 100 MB each when they are at rest."""
    return Resources(cpu="200m", memory=f"{128 * (processes + 3)}Mi", memory_limit=f"{512 * (processes + 3)}Mi")
