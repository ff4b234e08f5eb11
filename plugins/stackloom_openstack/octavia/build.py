"""Octavia's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import BySize, Container, NodeRole, Privilege, Probes, Resources
from stackloom_openstack.octavia import keys, management, ovn
from stackloom_openstack.octavia.conf import MAIN, WORKERS, main_files
from stackloom_openstack.octavia.files import AUDIT_MAP

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.manifests.files import File

REPLICAS = BySize(tiny=3, small=3, medium=3)
# Where the drivers of providers expect the sockets of the agent beside the API: they can be told of no other place.
SOCKETS = "/var/run/octavia"
# What is being built goes on elsewhere when a Pod ends; it is to end between two steps.
GRACE_SECONDS = 90


def build(ctx: ServiceContext) -> None:
    """Databases, what Octavia needs in the cloud, the API, and on the gateways what works on amphorae and hears of them."""
    keys.describe(ctx)
    config = main_files(ctx)
    migration = ctx.migrate_database(
        ["octavia-db-manage", "upgrade", "head"],
        ["octavia-db-manage", "upgrade_persistence"],
        config=config,
    )
    registered = ctx.register_in_catalogue()
    made = management.resources(ctx, after=[registered])
    api(ctx, config, after=[migration, registered])
    interfaces = management.interfaces(ctx, after=[made])
    # They reach amphorae through the interface of their node in the management network, and so run where there is one.
    on_gateways: dict[str, Any] = {
        "host_network": True,
        "privilege": Privilege(reason="It reaches amphorae through the node's interface in their network"),
        "grace_seconds": GRACE_SECONDS,
        "after": [migration, interfaces],
    }
    worker(ctx, config, **on_gateways)
    ctx.worker(
        "housekeeping",
        command=["octavia-housekeeping", "--config-file", MAIN],
        config=[*config, *keys.files(ctx)],
        env=keys.env(),
        connected_to="OS_DATABASE__CONNECTION",  # it hears no bus
        nodes=NodeRole.GATEWAY,
        replicas=REPLICAS,
        **on_gateways,
    )
    health_managers(ctx, **on_gateways)


def api(ctx: ServiceContext, config: tuple[File, ...], *, after: list[Part]) -> None:
    """The API, and beside it the agent to which drivers of providers report. Neither has a way to an amphora."""
    image = ovn.image(ctx)
    config = (*config, *ovn.files(ctx), ctx.file("/etc/octavia/octavia_api_audit_map.conf", AUDIT_MAP))
    agent = Container(
        name="driver-agent",
        image=ctx.image(image),
        command=["octavia-driver-agent", "--config-file", MAIN],
        env={**ctx.database_env(), **ctx.bus_env()},
        files=config,
        writable=[SOCKETS],
        probes=Probes(command=("test", "-S", f"{SOCKETS}/status.sock")),
        resources=ctx.resources("driver-agent", Resources(memory="256Mi", memory_limit="1Gi").body()),
    )
    ctx.api(
        wsgi="octavia.wsgi.api:application",
        image=image,
        config=[config],
        writable=[SOCKETS],
        sidecars=[agent],
        after=[*after, *ovn.databases(ctx)],
        replicas=REPLICAS,
        workers=BySize(single=2, tiny=2, small=4, medium=8),
    )


def worker(ctx: ServiceContext, config: tuple[File, ...], **running: Any) -> None:
    """What builds load balancers. Flows are jobs in etcd: what one leaves half done another goes on with."""
    processes = ctx.by_size(WORKERS)
    ctx.worker(
        "worker",
        command=management.informed(ctx, ["octavia-worker"]),
        config=[*config, *keys.files(ctx), *management.files(ctx)],
        env={**keys.env(), **management.env(ctx)},
        nodes=NodeRole.GATEWAY,
        writable=[management.FOUND],
        resources=Resources(cpu="200m", memory=f"{256 * (processes + 1)}Mi", memory_limit=f"{768 * (processes + 1)}Mi"),
        replicas=REPLICAS,
        **running,
    )


def health_managers(ctx: ServiceContext, **running: Any) -> None:
    """On each gateway what hears the amphorae, and builds those anew that fell silent. It writes to the database, there too."""
    for variant in ctx.variants():
        ctx.agent(
            "health-manager",
            variant=variant,
            role_of_nodes=NodeRole.GATEWAY,
            command=management.informed(ctx, ["octavia-health-manager"]),
            config=[*main_files(ctx, variant), *keys.files(ctx), *management.files(ctx)],
            env={**ctx.database_env(), **keys.env(), **management.env(ctx)},
            connected_to="OS_DATABASE__CONNECTION",
            writable=[management.FOUND],
            needs=sorted(ctx.service.requires),
            resources=Resources(memory="512Mi", memory_limit="4Gi"),
            **running,
        )
