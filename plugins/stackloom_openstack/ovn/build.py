"""OVN's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom import BySize, Gate, Probe, Probes, Resources
from stackloom_openstack.ovn.databases import NORTHBOUND, SOUTHBOUND, add_databases, connection, log_options
from stackloom_openstack.ovn.network import network_of
from stackloom_openstack.ovn.nodes import add_controllers, add_metadata_agents
from stackloom_openstack.ovn.tls import CLIENT_TLS, tls_files, tls_options

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

_CONTROL = "/run/ovn/ovn-northd.ctl"


def build(ctx: ServiceContext) -> None:
    """Databases, northd, controllers and metadata agents; nothing where the network is made otherwise."""
    network = network_of(ctx)
    if network is None:
        return
    add_databases(ctx)
    _add_northd(ctx)
    add_controllers(ctx, network)
    add_metadata_agents(ctx)


def _add_northd(ctx: ServiceContext) -> None:
    """It translates the northbound database into the southbound one. One does, by a lock there, and the others stand by."""
    databases = {"nb": NORTHBOUND, "sb": SOUTHBOUND}
    ask = f"ovn-appctl -t {_CONTROL}"
    ctx.worker(
        "northd",
        command=[
            "ovn-northd",
            f"--unixctl={_CONTROL}",
            *(f"--ovn{name}-db={connection(ctx, database)}" for name, database in databases.items()),
            *tls_options(CLIENT_TLS),
            *log_options(ctx),
        ],
        probes=Probes(
            command=("sh", "-c", " && ".join(f'[ "$({ask} {name}-connection-status)" = connected ]' for name in databases)),
            startup_seconds=0,
            alive=Probe(command=(*ask.split(), "version"), failures=12),
        ),
        config=[*tls_files(CLIENT_TLS).values()],
        image="ovn",
        # It comes after the databases, and so after the controllers, which Argo CD updates with these: a controller must know
        # what a newer northd writes.
        after=[Gate(services=tuple(database.service for database in databases.values()))],
        replicas=BySize(single=1, tiny=2, small=2, medium=3),
        writable=["/run/ovn"],
        resources=Resources(memory="256Mi", memory_limit="2Gi"),
    )
