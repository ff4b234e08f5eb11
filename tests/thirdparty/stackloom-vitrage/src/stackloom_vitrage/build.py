"""Vitrage's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import BySize, NodeRole, Privilege, Probes
from stackloom_vitrage.features import VitrageFeatures, VitrageNodeFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

CONFIG = "/etc/vitrage/vitrage.conf"


def build(ctx: ServiceContext) -> None:
    """Database, catalogue, API, the graph, the purge by the clock; listeners for traps where they are wanted."""
    features = ctx.features_as(VitrageFeatures)
    config = ctx.oslo_config("vitrage.conf", sections(features))
    migration = ctx.migrate_database(["vitrage-dbsync", "upgrade"], config=[config])
    registered = ctx.register_in_catalogue()
    ctx.api(
        wsgi="vitrage.api.app:build_wsgi_app",
        config=[config],
        after=[migration, registered],
        replicas=BySize(tiny=2, small=3, medium=3),
        health="/",
    )
    ctx.worker(
        "graph",
        command=["vitrage-graph", "--config-file", CONFIG],
        config=[config],
        probes=alive("vitrage-graph"),
        after=[migration],
    )
    ctx.task("purge", command=["vitrage-purge-data", "--config-file", CONFIG], config=[config], schedule=features.purge)
    if features.snmp.enabled:
        listeners(ctx, features)


def sections(features: VitrageFeatures) -> dict[str, dict[str, Any]]:
    """vitrage.conf."""
    return {
        "api": {"auth_mode": "keystone"},
        "datasources": {"snapshots_interval": features.snapshots_interval},
        "evaluator": {"workers": features.evaluator_workers},
        "snmp_parsing": {"snmp_listening_port": features.snmp.port},
    }


def listeners(ctx: ServiceContext, features: VitrageFeatures) -> None:
    """A listener on every compute node, with the port of the node's variant."""
    for variant in ctx.variants():
        conf = sections(features)
        if isinstance(variant.features, VitrageNodeFeatures):
            conf["snmp_parsing"]["snmp_listening_port"] = variant.features.snmp.port
        ctx.agent(
            "snmp",
            variant=variant,
            role_of_nodes=NodeRole.COMPUTE,
            command=["vitrage-snmp-parsing", "--config-file", CONFIG],
            config=[ctx.oslo_config("vitrage.conf", conf, variant=variant)],
            probes=alive("vitrage-snmp-parsing"),
            privilege=Privilege(reason="traps arrive at the address of the node itself"),
            host_network=True,
        )


def alive(program: str) -> Probes:
    """A program without a port lives as long as its process does."""
    return Probes(command=("pgrep", "-f", program))
