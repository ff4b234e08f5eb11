"""Placement's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom import BySize

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


def build(ctx: ServiceContext) -> None:
    """Database, API, catalogue. What is audited is Nova's share of it, by Nova."""
    config = ctx.oslo_config("placement.conf", {})
    migration = ctx.migrate_database(
        ["placement-manage", "db", "sync"], ["placement-manage", "db", "online_data_migrations"], config=config
    )
    ctx.api(
        wsgi="placement.wsgi.api:application",
        config=config,
        after=[migration],
        health="/",  # its root answers without a token
        replicas=BySize(tiny=3, small=4, medium=4),
        workers=BySize(single=2, tiny=2, small=4, medium=4),
    )
    ctx.register_in_catalogue()
