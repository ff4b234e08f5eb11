"""The agents of the backend ml2: Open vSwitch on every node that carries traffic, routing, DHCP and metadata on gateways.

With distributed routing compute nodes route and answer for metadata themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stackloom import ConfigFile, Gate, InterfaceAddress, Mount, NodeRole, Privilege, Resources, SecretKey
from stackloom_openstack.neutron import openvswitch
from stackloom_openstack.neutron.features import NeutronFeatures
from stackloom_openstack.neutron.node_features import NeutronNodeFeatures
from stackloom_openstack.neutron.settings import METADATA_SECRET, agent_conf, has_metadata

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.variants import Variant

# What agents remember of routers and networks, and the socket at which proxies in namespaces find the metadata agent.
STATE = Mount.host("/var/lib/neutron", kind="DirectoryOrCreate")
# Namespaces are the node's: those that an agent makes are seen by all, and are there when it comes back.
NAMESPACES = Mount.host("/run/netns", kind="DirectoryOrCreate", propagation="Bidirectional")
SWITCH = Mount.host(openvswitch.RUN)
# What Neutron's own helper for privileged work keeps of root's rights: it asks for all of these, and does without the rest.
CAPABILITIES = ("DAC_OVERRIDE", "DAC_READ_SEARCH", "NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE")
# With the Pod ends what holds its routers' addresses for the other gateway to see. It is told first, so that it gives them up:
# killed, it would leave them here, and both gateways would answer for them.
STEP_DOWN = ("sh", "-c", "pkill -TERM -x keepalived && sleep 5 || true")
SWITCH_AGENT = Gate(node_pods=("application=neutron,stackloom.io/agent=openvswitch-agent",))
# The releases whose agent uses threads of the system, which os-ken does not keep in order.
THREADED = frozenset({"gazpacho"})


def build(ctx: ServiceContext, features: NeutronFeatures) -> None:
    """All agents, in the kinds that the nodes want."""
    for variant in ctx.variants(differs("openvswitch_agent", tunnel=True)):
        openvswitch_agent(ctx, features, variant)
    for variant in ctx.variants(differs("dhcp_agent")):
        dhcp_agent(ctx, features, variant)
    for variant in ctx.variants(differs("l3_agent")):
        l3_agent(ctx, features, variant, NodeRole.GATEWAY)
        if features.dvr.enabled:
            l3_agent(ctx, features, variant, NodeRole.COMPUTE)
    if has_metadata(ctx):
        for variant in ctx.variants(differs("metadata_agent")):
            metadata_agent(ctx, variant, NodeRole.GATEWAY)
            if features.dvr.enabled:
                metadata_agent(ctx, variant, NodeRole.COMPUTE)


def differs(file: str, *, tunnel: bool = False) -> Any:
    """Whether an agent that reads ``file`` is another one on some nodes: by its options, or by what it does with tunnels."""

    def apart(variant: Variant) -> bool:
        own = variant.features
        switches = isinstance(own, NeutronNodeFeatures) and (own.tunnel_interface or openvswitch.dpdk_of(variant))
        return bool(variant.conf.keys() & {"neutron", file} or (tunnel and switches))

    return apart


def told(*files: Sequence[ConfigFile]) -> list[str]:
    """The files on an agent's command line: of each group that oslo_config gives the first."""
    return [word for group in files for word in ("--config-file", group[0].path)]


def openvswitch_agent(ctx: ServiceContext, features: NeutronFeatures, variant: Variant) -> None:
    """It turns ports into flows. Those of before stay when it restarts, so it may roll by itself."""
    own = variant.features
    interface = (
        own.tunnel_interface if isinstance(own, NeutronNodeFeatures) and own.tunnel_interface else features.tunnel_interface
    )
    dpdk = openvswitch.dpdk_of(variant)
    main = agent_conf(ctx, variant)
    plugin = ctx.oslo_config(
        "openvswitch_agent.conf",
        {
            "ovs": {
                "ovsdb_connection": openvswitch.SOCKET,
                "local_ip": InterfaceAddress(interface),
                "bridge_mappings": [f"{network.physnet}:{network.bridge}" for network in features.external_networks],
                **({"datapath_type": "netdev"} if dpdk else {}),
            },
            "agent": {
                "tunnel_types": ["vxlan"],
                "l2_population": True,  # who is where is told, and not found out by flooding
                "arp_responder": True,
                "enable_distributed_routing": features.dvr.enabled,
                "extensions": ["qos"],
            },
            "securitygroup": {"firewall_driver": "openvswitch"},
        },
        variant=variant,
    )
    in_order = ctx.release in THREADED
    ctx.agent(
        "openvswitch-agent",
        variant=variant,
        role_of_nodes=NodeRole.OPENVSWITCH,
        command=[
            *(["python3", "/opt/stackloom/programs/switch_agent.py"] if in_order else ["neutron-openvswitch-agent"]),
            *told(main, plugin),
        ],
        config=[main, plugin, *(ctx.program("switch_agent.py") if in_order else ())],
        mounts=[SWITCH],
        privilege=Privilege(reason="It sets up ports and flows of the node", user=0, capabilities=CAPABILITIES),
        startup_seconds=120,  # it opens its bus within seconds, or never
        **running(ctx, after=[openvswitch.BRIDGES]),
    )


def dhcp_agent(ctx: ServiceContext, features: NeutronFeatures, variant: Variant) -> None:
    """Each network has two where there are several gateways, and they roll one by one: an address outlasts a restart by hours."""
    main = agent_conf(ctx, variant)
    own = ctx.oslo_config(
        "dhcp_agent.conf",
        {
            "DEFAULT": {
                "enable_isolated_metadata": has_metadata(ctx),
                **({"dnsmasq_dns_servers": list(map(str, features.dns_servers))} if features.dns_servers else {}),
            },
            "ovs": {"ovsdb_connection": openvswitch.SOCKET},
        },
        variant=variant,
    )
    ctx.agent(
        "dhcp-agent",
        variant=variant,
        role_of_nodes=NodeRole.GATEWAY,
        command=["neutron-dhcp-agent", *told(main, own)],
        config=[main, own],
        mounts=[SWITCH, STATE, NAMESPACES],
        privilege=Privilege(reason="It makes network namespaces on the node, with a DHCP server in each", privileged=True),
        **running(ctx, after=[SWITCH_AGENT]),
    )


def l3_agent(ctx: ServiceContext, features: NeutronFeatures, variant: Variant, role: NodeRole) -> None:
    """Routers. Their namespaces stay when it restarts, and what makes one router stand in for another ends with its Pod."""
    on_gateway = role is NodeRole.GATEWAY
    mode = ("dvr_snat" if on_gateway else "dvr") if features.dvr.enabled else "legacy"
    main = agent_conf(ctx, variant)
    own = ctx.oslo_config(
        "l3_agent.conf",
        {
            "DEFAULT": {"agent_mode": mode, "enable_metadata_proxy": has_metadata(ctx)},
            "agent": {"extensions": ["port_forwarding", "fip_qos", "gateway_ip_qos"]},
            "ovs": {"ovsdb_connection": openvswitch.SOCKET},
        },
        variant=variant,
        key="l3_agent" if on_gateway else "l3_agent-compute",
    )
    ctx.agent(
        "l3-agent" if on_gateway else "l3-agent-compute",
        variant=variant,
        role_of_nodes=role,
        not_on=None if on_gateway else NodeRole.GATEWAY,
        command=["neutron-l3-agent", *told(main, own)],
        config=[main, own],
        mounts=[
            SWITCH,
            STATE,
            NAMESPACES,
            Mount.host("/lib/modules", read_only=True),
            Mount.host("/run/xtables.lock", kind="FileOrCreate"),
        ],
        privilege=Privilege(reason="It makes network namespaces on the node, with a router in each", privileged=True),
        on_delete=on_gateway,
        before_stop=STEP_DOWN if on_gateway else (),
        **running(ctx, after=[SWITCH_AGENT]),
    )


def metadata_agent(ctx: ServiceContext, variant: Variant, role: NodeRole) -> None:
    """It carries servers' questions for their metadata from the namespaces to Nova. Who asks asks again, so it may roll."""
    on_gateway = role is NodeRole.GATEWAY
    nova = ctx.endpoint("compute", "metadata")
    main = agent_conf(ctx, variant)
    own = ctx.oslo_config(
        "metadata_agent.conf",
        {
            "DEFAULT": {
                "nova_metadata_host": ctx.host(nova.service),
                "nova_metadata_port": nova.port,
                "metadata_workers": 2,  # by default half of the node's processors
            }
        },
        variant=variant,
    )
    ctx.agent(
        "metadata-agent" if on_gateway else "metadata-agent-compute",
        variant=variant,
        role_of_nodes=role,
        not_on=None if on_gateway else NodeRole.GATEWAY,
        command=["neutron-metadata-agent", *told(main, own)],
        config=[main, own],
        mounts=[STATE],
        privilege=Privilege(reason="Proxies in network namespaces of the node find it by its socket there", user=0),
        **running(ctx, after=[SWITCH_AGENT], metadata=True),
    )


def running(ctx: ServiceContext, *, after: Sequence[Gate], metadata: bool = False) -> dict[str, Any]:
    """What all agents have: the network of their node, whose name they go by, and no account but that of the bus."""
    env: dict[str, Any] = dict(ctx.bus_env("messaging"))
    if metadata:
        env["OS_DEFAULT__METADATA_PROXY_SHARED_SECRET"] = SecretKey(secret=METADATA_SECRET, key="secret")
    return {
        "host_network": True,
        "credentials": False,
        "env": env,
        "needs": ["messaging", "networking"],
        "after": after,
        "resources": Resources(memory="256Mi", memory_limit="1Gi"),
    }
