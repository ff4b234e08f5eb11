"""Designate's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import BySize, Container, Probes, Resources
from stackloom_openstack.designate import pools, powerdns
from stackloom_openstack.designate.conf import MDNS_HOST, MDNS_PORT, connection, sections
from stackloom_openstack.designate.files import AUDIT_MAP, PASTE

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Files, Part
    from stackloom.manifests.files import File

REPLICAS = BySize(tiny=3, small=3, medium=3)
# What listens for the Pod alone is not seen by the kubelet.
_LISTENS = f"import socket; socket.create_connection(('{MDNS_HOST}', {MDNS_PORT}), 5)"


def build(ctx: ServiceContext) -> None:
    """Databases, PowerDNS, the API and what works behind it, the pool, catalogue, clean-up.

    There is no designate-sink: Neutron enters ports and floating addresses into the zones of their owners itself, and sink would
    put all of them into one zone, which must be there before it starts.
    """
    config = ctx.oslo_config("designate.conf", sections(ctx))
    storing: list[File] = [*config, connection(ctx)]
    powerdns.credential(ctx)
    migration = ctx.migrate_database(["designate-manage", "database", "sync"], config=storing)
    # It comes after the Jobs that make both databases, for which the other waits.
    schema = powerdns.schema(ctx, after=migration)
    powerdns.servers(ctx, after=schema)
    central = behind(ctx, config, storing, after=migration)
    worker(ctx, storing, after=[central, schema])
    pools.tell(ctx, config=config, after=[central])
    registered = ctx.register_in_catalogue()
    audit_map = ctx.file("/etc/designate/api_audit_map.conf", AUDIT_MAP)
    ctx.api(
        # Not in designate.wsgi, which Epoxy does not have: this is what that calls.
        wsgi="designate.api.wsgi:init_application()",
        config=[*config, audit_map, ctx.paste("api-paste.ini", PASTE, audit_map=audit_map)],
        after=[central, registered],
        replicas=BySize(tiny=3, small=3, medium=12),
    )
    if ctx.release != "epoxy":  # which has no such command
        # Processes report under the names of their Pods, of which most do not come back.
        clean = ["designate-manage", "service", "clean"]
        ctx.task("service-cleaner", schedule="*/30 * * * *", command=clean, config=storing, needs=["database", "messaging"])


def behind(ctx: ServiceContext, config: Files, storing: Files, *, after: Part) -> Part:
    """What decides, and what looks by the clock for deleted zones and for changes that did not arrive, and asks the former."""
    running: dict[str, Any] = {
        "env": {**ctx.bus_env(), "OS_COORDINATION__BACKEND_URL": ctx.coordination_url()},
        "credentials": False,
        "needs": ["coordination", "database", "messaging"],
        "replicas": REPLICAS,
    }
    locks, program = ctx.coordination_files(), ctx.program("dns_central.py")
    # A StatefulSet, so that others can wait for it: what is asked while nobody hears is lost, and waited for.
    central = ctx.stateful(
        "central",
        command=["python3", "/opt/stackloom/programs/dns_central.py"],
        config=[*storing, locks, program],
        after=[after],
        **running,
    )
    ctx.worker("producer", command=["designate-producer"], config=[*config, locks], after=[central], **running)
    return central


def worker(ctx: ServiceContext, config: list[File], *, after: list[Part]) -> None:
    """What brings zones to PowerDNS: a worker, and with it mdns, which has them, and the PowerDNS that fetches them from it."""
    mdns = Container(
        name="mdns",
        image=ctx.image("designate"),
        command=["designate-mdns"],
        env=ctx.bus_env("messaging"),
        files=config,
        probes=Probes(command=("python3", "-c", _LISTENS), timeout=15, period=15),
        resources=ctx.resources("mdns", Resources(memory="256Mi", memory_limit="1Gi").body()),
    )
    ctx.worker(
        "worker",
        command=["designate-worker"],
        config=config,
        env=ctx.bus_env(),
        credentials=False,
        sidecars=[mdns, powerdns.beside_worker(ctx)],
        needs=["database", "messaging"],
        after=after,
        replicas=REPLICAS,
    )
