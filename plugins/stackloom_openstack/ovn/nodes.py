"""What runs on the nodes: the controller that makes flows of the southbound database, and the agent for servers' metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stackloom import Gate, InterfaceAddress, Mount, NodeRole, Privilege, Probe, Probes, Resources, SecretKey
from stackloom_openstack.ovn.databases import PROBE_MILLISECONDS, SOUTHBOUND, connection, log_options
from stackloom_openstack.ovn.network import Network, network_on
from stackloom_openstack.ovn.tls import CLIENT_TLS, tls_files, tls_options

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.constructs.variants import Variant

_OPENVSWITCH = "/run/openvswitch"
_DATABASE = f"unix:{_OPENVSWITCH}/db.sock"
_RUN = "/run/ovn"
_GATEWAY = "enable-chassis-as-gw"
# After a restart the flows of before stay until those of now are known: packets pass all the while.
_KEEP_FLOWS_MILLISECONDS = 8000


def add_controllers(ctx: ServiceContext, network: Network) -> list[Part]:
    """For each kind of nodes one on its gateways, and one on the rest: only gateways carry what routers exchange with outside."""
    found = []
    for variant in ctx.variants():
        for gateway, part in variant.divided(NodeRole.GATEWAY.value, "enabled"):
            found.append(_controller(ctx, network, part, gateway=gateway))
    return found


def _controller(ctx: ServiceContext, network: Network, variant: Variant, *, gateway: bool) -> Part:
    role = "controller-gateway" if gateway else "controller"
    settings = ctx.file(
        "/etc/ovn/chassis.json",
        json.dumps(_chassis(ctx, network, variant, gateway=gateway), indent=2) + "\n",
        key=f"chassis{'-gateway' if gateway else ''}{variant.suffix}.json",
    )
    ask = ("ovn-appctl", "-t", "ovn-controller")
    return ctx.agent(
        role,
        variant=variant,
        role_of_nodes=NodeRole.OPENVSWITCH,
        before=[["python3", "/opt/stackloom/programs/ovn_chassis.py", settings.path]],
        command=[
            "ovn-controller",
            f"--pidfile={_RUN}/ovn-controller.pid",  # by which its control socket is found: not every release can be told that
            *tls_options(CLIENT_TLS),
            *log_options(ctx),
            _DATABASE,
        ],
        # Ready is who hears the southbound database, so that an update stops at the first node where it does not. Without it
        # the flows stay as they are, and a restart would not bring it back.
        probes=Probes(
            command=("sh", "-c", f'[ "$({" ".join(ask)} connection-status)" = connected ]'),
            startup_seconds=0,
            alive=Probe(command=(*ask, "version"), failures=12),
        ),
        config=[settings, *tls_files(CLIENT_TLS).values(), ctx.program("ovn_chassis.py")],
        image="ovn",
        after=_open_vswitch(ctx),
        host_network=True,
        env={"OVN_RUNDIR": _RUN},
        writable=[_RUN],
        mounts=[Mount.host(_OPENVSWITCH)],
        resources=Resources(memory="256Mi", memory_limit="2Gi"),
        privilege=Privilege(reason="The sockets of Open vSwitch are root's", user=0, capabilities=("NET_ADMIN",)),
    )


def _chassis(ctx: ServiceContext, network: Network, variant: Variant, *, gateway: bool) -> dict[str, object]:
    """What the node's Open vSwitch is told for the controller to read."""
    node = network_on(variant)
    optional = {
        "ovn-bridge-mappings": network.bridge_mappings,
        "ovn-bridge-datapath-type": "netdev" if node.dpdk and node.dpdk.enabled else "",
        "ovn-cms-options": _GATEWAY if gateway else "",
    }
    return {
        "database": _DATABASE,
        "external_ids": {
            "ovn-remote": connection(ctx, SOUTHBOUND),
            "ovn-remote-probe-interval": str(PROBE_MILLISECONDS),
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": str(InterfaceAddress(node.tunnel_interface or network.tunnel_interface)),
            "ovn-ofctrl-wait-before-clear": str(_KEEP_FLOWS_MILLISECONDS),
            **{key: value for key, value in optional.items() if value},
        },
        "absent": sorted(key for key, value in optional.items() if not value),
    }


def _open_vswitch(ctx: ServiceContext) -> list[Gate]:
    """Open vSwitch of the node; where no service of the cloud runs it, the node brings its own."""
    return [Gate(node_pods=("application=openvswitch",))] if "openvswitch" in ctx.graph.services else []


def add_metadata_agents(ctx: ServiceContext) -> None:
    """Neutron's agent for OVN with the extension that answers servers at 169.254.169.254, where there is a Nova to ask."""
    nova = ctx.graph.endpoint("compute", "metadata")
    if nova is None:
        return
    # The agent's own list of options has neither of these in every release.
    more = ctx.file(
        "/etc/ovn/ovn_agent_more.conf",
        "[agent]\nextensions = metadata\n\n[AGENT]\n# It is root already.\nroot_helper =\n",
    )
    tls = tls_files(CLIENT_TLS)
    for variant in ctx.variants():
        config = ctx.oslo_config(
            "ovn_agent.conf",
            {
                "DEFAULT": {"nova_metadata_host": ctx.host(nova.service), "nova_metadata_port": nova.port},
                "ovn": {
                    "ovn_sb_connection": connection(ctx, SOUTHBOUND).split(","),
                    "ovn_sb_private_key": tls["private-key"].path,
                    "ovn_sb_certificate": tls["certificate"].path,
                    "ovn_sb_ca_cert": tls["ca-cert"].path,
                },
                "ovs": {"ovsdb_connection": _DATABASE},
            },
            variant=variant,
        )
        ctx.agent(
            "metadata",
            variant=variant,
            role_of_nodes=NodeRole.COMPUTE,
            command=["neutron-ovn-agent", "--config-file", config[0].path, "--config-file", more.path],
            # Its socket is there once it has read the southbound database and served what the node has.
            probes=Probes(command=("test", "-S", "/var/lib/neutron/metadata_proxy"), startup_seconds=300),
            config=[config, more, *tls.values()],
            env={"OS_DEFAULT__METADATA_PROXY_SHARED_SECRET": SecretKey(secret="neutron-metadata", key="secret")},
            image="neutron",
            after=_open_vswitch(ctx),
            host_network=True,
            writable=["/var/lib/neutron", "/run/lock"],
            mounts=[
                Mount.host(_OPENVSWITCH),
                # Network namespaces are made on the node, so that those of before are found after a restart.
                Mount.host("/run/netns", kind="DirectoryOrCreate", propagation="Bidirectional"),
            ],
            resources=Resources(memory="256Mi", memory_limit="1Gi"),
            privilege=Privilege(reason="It makes network namespaces on the node, with a proxy in each", privileged=True),
        )
