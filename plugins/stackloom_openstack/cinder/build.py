"""Cinder's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom import BySize, Gate, PodField
from stackloom_openstack.cinder import backups, upkeep, volumes
from stackloom_openstack.cinder.api import api_files
from stackloom_openstack.cinder.conf import MAIN, STATE, main_env, main_files

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


def build(ctx: ServiceContext) -> None:
    """Database, API, scheduler, what keeps volumes and backups; then what they work with, and what keeps them in order."""
    config = main_files(ctx)
    migration = ctx.migrate_database(["cinder-manage", "db", "sync"], config=config)
    api = ctx.api(
        wsgi="cinder.wsgi.api:application",
        config=[*config, *api_files(ctx)],
        env=main_env(ctx),
        writable=[STATE],
        after=[migration],
        replicas=BySize(tiny=3, small=3, medium=4),
    )
    # A StatefulSet, so that its Pods keep their names: each new name would be one more service in the database.
    scheduler = ctx.stateful(
        "scheduler",
        command=["cinder-scheduler", "--config-file", MAIN],
        config=config,
        env={**main_env(ctx), "OS_DEFAULT__HOST": PodField("metadata.name")},
        writable=[STATE],
        replicas=BySize(tiny=3, small=3, medium=3),
        after=[migration],
    )
    running = [api, scheduler, *volumes.run(ctx, after=[migration]), *backups.run(ctx, after=[migration])]
    # The last part of a migration, when nothing of the release before is left that would write as it used to.
    ctx.task(
        "db-online-migrations",
        command=["cinder-manage", "db", "online_data_migrations"],
        config=config,
        needs=["database"],
        after=[*running, Gate(replaced=(ctx.name,))],
    )
    ctx.register_in_catalogue()
    upkeep.make_volume_types(ctx, after=[api])
    upkeep.clean_services(ctx, config)
    upkeep.purge(ctx, config)
