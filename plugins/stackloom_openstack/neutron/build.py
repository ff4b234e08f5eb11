"""Neutron's manifests: what is the same whatever carries the traffic, and the choice of that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stackloom import BySize, Resources, Value
from stackloom_openstack.neutron import agents, ml2, sriov, tungstenfabric
from stackloom_openstack.neutron.features import FloatingNetwork, NeutronFeatures
from stackloom_openstack.neutron.settings import METADATA_SECRET, ServerFiles, api_paste

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

REPLICAS = BySize(single=1, tiny=3, small=3, medium=12)
WORKERS = BySize(single=2, tiny=2, small=8, medium=8)


def build(ctx: ServiceContext) -> None:
    """Database, API and workers, catalogue; then the agents of the chosen backend, and the network of floating addresses."""
    features = ctx.features_as(NeutronFeatures)
    # Who answers a server's question for metadata proves to Nova with it for whom it asks. Of Tungsten Fabric these are the
    # vRouters, which have it from their own operator.
    ctx.credential(METADATA_SECRET, {"secret": Value.password()}, readers=["nova", "ovn"])
    if features.backend == "tungstenfabric":
        files = tungstenfabric.server_files(ctx, features)
        server(ctx, features, files)
        tungstenfabric.exchange(ctx, features)
        return
    server(ctx, features, ml2.server_files(ctx, features))
    sriov.agents(ctx, features)
    if features.backend == "ml2":
        agents.build(ctx, features)


def server(ctx: ServiceContext, features: NeutronFeatures, files: ServerFiles) -> None:
    """The API, what works beside it, and what it needs."""
    config = (*files.config, api_paste(ctx))
    told = [word for path in files.paths for word in ("--config-file", path)]
    # Migrations add and never take away (the last of the contracting branch is of 2016), so that servers of the release before
    # go on beside them.
    migration = ctx.migrate_database(["neutron-db-manage", *told, "upgrade", "heads"], config=config)
    registered = ctx.register_in_catalogue()
    workers = ctx.by_size(WORKERS)
    ctx.api(
        wsgi="neutron.wsgi.api:application",
        workers=workers,
        # Workers tell by it those that live from those that were, when they share out work through the database.
        uwsgi={"start-time": "%t"},
        config=config,
        env={"OS_NEUTRON_CONFIG_FILES": ";".join(files.paths), **files.env},
        init=files.init,
        writable=files.writable,
        after=[migration, registered, *files.after],
        replicas=REPLICAS,
        resources=room_for(workers),
    )
    running: dict[str, Any] = {
        "config": config,
        "env": dict(files.env),
        "init": files.init,
        "writable": files.writable,
        "after": [migration, registered, *files.after],
    }
    if files.agents_report:
        ctx.worker(
            "rpc-server",
            command=["neutron-rpc-server", *told],
            replicas=REPLICAS,
            resources=room_for(workers),
            **running,
        )
    # These hear no bus: they look into the database by the clock.
    watched = {**running, "connected_to": "OS_DATABASE__CONNECTION", "resources": room_for(1)}
    ctx.worker("periodic-workers", command=["neutron-periodic-workers", *told], **watched)
    if features.backend == "ml2/ovn":
        ctx.worker("ovn-maintenance-worker", command=["neutron-ovn-maintenance-worker", *told], **watched)
    if features.floating_network.enabled:
        floating_network(ctx, features.floating_network, has_provider=features.backend != "tungstenfabric")


def room_for(processes: int) -> Resources:
    """What that many processes of Neutron's server want: 180 MB each when they are at rest."""
    return Resources(cpu="250m", memory=f"{256 * (processes + 1)}Mi", memory_limit=f"{768 * (processes + 1)}Mi")


def floating_network(ctx: ServiceContext, wanted: FloatingNetwork, *, has_provider: bool) -> None:
    """The Job that makes the network of floating addresses, through the API, as the cloud's administrator."""
    assert wanted.subnet is not None  # noqa: S101 - the rules see to it
    provider: dict[str, Any] = {}
    if has_provider or wanted.network_type:
        provider = {
            "provider:network_type": wanted.network_type or "flat",
            "provider:physical_network": wanted.physnet,
            **({"provider:segmentation_id": wanted.segmentation_id} if wanted.segmentation_id else {}),
        }
    told = {
        "network": {"name": wanted.name, "router:external": True, "is_default": has_provider, **provider},
        "subnet": {
            "name": wanted.subnet.name,
            "cidr": str(wanted.subnet.range),
            "gateway_ip": str(wanted.subnet.gateway),
            "allocation_pools": [{"start": str(wanted.subnet.pool_start), "end": str(wanted.subnet.pool_end)}],
        },
        "router": {"name": wanted.router.name},
    }
    path = "/etc/stackloom/floating_network.json"
    ctx.task(
        "floating-network",
        kind="catalogue",
        image="toolbox",
        command=["python3", "/opt/stackloom/programs/floating_network.py", path],
        config=[ctx.program("floating_network.py"), ctx.file(path, json.dumps(told, indent=2) + "\n")],
        env={**ctx.admin_env(), "NETWORK_URL": ctx.url("networking")},
        needs=["identity", "networking"],
        credentials=False,
    )
