"""Open vSwitch on the nodes that carry tenants' traffic, and the bridges there to the networks of the data centre.

Its database is in the node's /run: what it says is made anew after the node was started, and stays when only the Pod was.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stackloom import Container, Gate, Mount, NodeRole, Privilege, Probes, Resources
from stackloom_openstack.neutron.features import NeutronFeatures
from stackloom_openstack.neutron.node_features import Dpdk, NeutronNodeFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.constructs.variants import Variant

RUN = "/run/openvswitch"
SOCKET = f"unix:{RUN}/db.sock"
# What runs on a node once its bridges are there: agents wait for it.
BRIDGES = Gate(node_pods=("application=openvswitch,stackloom.io/agent=bridges",))

_DATABASE, _SCHEMA = f"{RUN}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema"
_MAKE_DATABASE = f"""\
if [ ! -s {_DATABASE} ]; then
  ovsdb-tool create {_DATABASE} {_SCHEMA}
elif [ "$(ovsdb-tool needs-conversion {_DATABASE} {_SCHEMA})" = yes ]; then
  ovsdb-tool convert {_DATABASE} {_SCHEMA}
fi
"""
_HUGE_PAGES = "/mnt/hugepages"


def build(ctx: ServiceContext) -> None:
    """On each node the switch, and beside it what makes its bridges. With Tungsten Fabric there is none of it."""
    features = ctx.deployment.features_of("neutron", NeutronFeatures)
    if features.backend == "tungstenfabric":
        return
    for variant in ctx.variants(lambda v: dpdk_of(v) is not None, of="neutron"):
        switch = vswitchd(ctx, variant)
        bridges(ctx, features, variant, after=switch)


def dpdk_of(variant: Variant) -> Dpdk | None:
    """The DPDK of the variant's nodes; None where the kernel switches."""
    own = variant.features
    return own.dpdk if isinstance(own, NeutronNodeFeatures) and own.dpdk and own.dpdk.enabled else None


def vswitchd(ctx: ServiceContext, variant: Variant) -> Part:
    """The switch with its database. A restart interrupts the node's traffic, so it is left to the operator when that is."""
    dpdk = dpdk_of(variant)
    image = "openvswitch-dpdk" if dpdk else "openvswitch"
    run = Mount.host(RUN, kind="DirectoryOrCreate")
    as_root = Privilege(reason="The files of Open vSwitch on the node are root's", user=0)
    database = Container(
        name="ovsdb-server",
        image=ctx.image(image),
        command=[
            "ovsdb-server",
            _DATABASE,
            f"--remote=punix:{RUN}/db.sock",
            "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
            f"--pidfile={RUN}/ovsdb-server.pid",
            f"--unixctl={RUN}/ovsdb-server.ctl",
            "-vconsole:info",
        ],
        mounts=[run],
        probes=Probes(command=("ovsdb-client", "--timeout=4", "list-dbs", SOCKET)),
        privilege=as_root,
        resources=ctx.resources("ovsdb-server", Resources(memory="64Mi", memory_limit="512Mi").body()),
    )
    made = Container(
        name="database", image=ctx.image(image), command=["sh", "-ec", _MAKE_DATABASE], mounts=[run], privilege=as_root
    )
    control = f"{RUN}/ovs-vswitchd.ctl"
    start = f"exec ovs-vswitchd {SOCKET} --pidfile={RUN}/ovs-vswitchd.pid --unixctl={control} -vconsole:info"
    return ctx.agent(
        "vswitchd",
        name="openvswitch",
        variant=variant,
        role_of_nodes=NodeRole.OPENVSWITCH,
        image=image,
        init=[made, *([cards(ctx, dpdk)] if dpdk else [])],
        # What it starts with must be in the database before: DPDK is taken into use at its start alone.
        command=["sh", "-ec", f"{_first_settings(dpdk)}\n{start}\n"],
        probes=Probes(command=("ovs-appctl", "--timeout=4", "-t", control, "version")),
        mounts=[run, *([Mount.huge_pages(_HUGE_PAGES, dpdk.hugepages.size)] if dpdk else [])],
        privilege=(
            Privilege(reason="DPDK drives network cards itself", privileged=True)
            if dpdk
            # The kernel loads the modules of Open vSwitch and of its tunnels when it is asked for them.
            else Privilege(reason="It switches packets in the node's kernel", user=0, capabilities=("NET_ADMIN", "NET_RAW"))
        ),
        sidecars=[database],
        host_network=True,
        on_delete=True,
        resources=Resources(memory="512Mi", memory_limit="2Gi", over=_pages(dpdk)),
    )


def _first_settings(dpdk: Dpdk | None) -> str:
    options = (
        {
            "dpdk-init": "true",
            "dpdk-socket-mem": dpdk.socket_memory,
            "dpdk-hugepage-dir": _HUGE_PAGES,
        }
        if dpdk
        else {}
    )
    told = "".join(f' other_config:{name}="{value}"' for name, value in options.items())
    setting = f" -- set Open_vSwitch .{told}" if told else ""
    return f"ovs-vsctl --db={SOCKET} --retry --timeout=60 --no-wait init{setting}"


def _pages(dpdk: Dpdk | None) -> dict[str, dict[str, str]]:
    """The memory in large pages that DPDK has: what is asked for is all that there may be."""
    pages = {f"hugepages-{dpdk.hugepages.size}": dpdk.hugepages.amount} if dpdk else {}
    return {"requests": pages, "limits": pages}


def cards(ctx: ServiceContext, dpdk: Dpdk) -> Container:
    """The init container that gives network cards to the driver through which DPDK reaches them."""
    addresses = [nic.pci_id for nic in (*dpdk.nics, *(nic for bond in dpdk.bonds for nic in bond.nics))]
    return Container(
        name="cards",
        image=ctx.image("openvswitch-dpdk"),
        command=["python3", "/opt/stackloom/programs/dpdk_cards.py", dpdk.driver, *addresses],
        files=ctx.program("dpdk_cards.py"),
        mounts=[Mount.host("/sys"), Mount.host("/lib/modules", read_only=True)],
        privilege=Privilege(reason="It gives network cards to another driver", privileged=True),
    )


def bridges(ctx: ServiceContext, features: NeutronFeatures, variant: Variant, *, after: Part) -> Part:
    """What makes the bridges, and makes them again where the node has lost them. Its restart touches no packet."""
    path = "/etc/openvswitch/bridges.json"
    dpdk = dpdk_of(variant)
    made = {"database": SOCKET, "datapath": "netdev" if dpdk else datapath(ctx), "bridges": wanted_bridges(features, dpdk)}
    wanted = json.dumps(made, indent=2) + "\n"
    settings = ctx.file(path, wanted, key=f"bridges{variant.suffix}.json")
    program = ("python3", "/opt/stackloom/programs/bridges.py")
    return ctx.agent(
        "bridges",
        variant=variant,
        role_of_nodes=NodeRole.OPENVSWITCH,
        image="openvswitch",
        command=[*program, "keep", path],
        config=[settings, ctx.program("bridges.py")],
        probes=Probes(command=(*program, "check", path), timeout=15, period=30),
        mounts=[Mount.host(RUN)],
        privilege=Privilege(
            reason="It gives a bridge of the node its interface and its address", user=0, capabilities=("NET_ADMIN",)
        ),
        after=[after],
        host_network=True,
        resources=Resources(cpu="10m", memory="32Mi", memory_limit="128Mi"),
    )


def wanted_bridges(features: NeutronFeatures, dpdk: Dpdk | None) -> dict[str, Any]:
    """Bridges with their ports. A card that DPDK drives takes the place of the interface on a bridge of the same name."""
    made: dict[str, dict[str, Any]] = {}
    for network in features.external_networks:
        interface = [{"name": network.interface}] if network.interface else []
        made[network.bridge] = {"ports": interface, **({"mtu": network.mtu} if network.mtu else {})}
    for bridge in dpdk.bridges if dpdk else ():
        made[bridge.name] = {**made.get(bridge.name, {}), "ports": [], "address": bridge.ip_address}
    for nic in dpdk.nics if dpdk else ():
        made[nic.bridge]["ports"].append({"name": nic.name, "pci": nic.pci_id})
    for bond in dpdk.bonds if dpdk else ():
        members = [{"name": nic.name, "pci": nic.pci_id} for nic in bond.nics]
        made[bond.bridge]["ports"].append({"name": bond.name, "members": members, "options": bond.ovs_options.split()})
    return made


def datapath(ctx: ServiceContext) -> str:
    """What switches where DPDK does not: the kernel, unless the operator has told the agents otherwise."""
    conf = ctx.deployment.values_of(ctx.graph.services["neutron"]).conf
    return str(conf.get("openvswitch_agent", {}).get("ovs", {}).get("datapath_type", "system"))
