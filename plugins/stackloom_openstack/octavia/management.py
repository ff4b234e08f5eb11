"""The network on which Octavia reaches its amphorae: what is made in the cloud for it, and the gateways' part in it.

On each gateway Open vSwitch has an interface that is a port of that network, under OVN as well: through it amphorae are called
and heard. Who is where, and the ids of what was made, are known only in the cloud: the programs that start workers and health
managers find them, and look again from time to time, because gateways come and go.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stackloom import Gate, Mount, NodeRole, Privilege, Probes, Resources
from stackloom_openstack.octavia.conf import FLAVOR, MAIN
from stackloom_openstack.octavia.features import OctaviaFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.manifests.files import File
    from stackloom.manifests.pod import Env

# Where the programs write what they found.
FOUND = "/run/octavia"
AGENT_PORT, HEARTBEAT_PORT = 9443, 5555
INTERFACE, BRIDGE = "o-hm0", "br-int"

_SETTINGS = "/etc/stackloom/management.json"
_PROGRAMS = "/opt/stackloom/programs"
_SWITCH = "/run/openvswitch"
# All of a project's quota is Octavia's to use: the amphorae of all users are servers of the project `service`.
_UNLIMITED = {
    "compute": ("cores", "instances", "ram", "server_group_members", "server_groups"),
    "networking": ("port", "security_group", "security_group_rule"),
}


def settings(ctx: ServiceContext) -> dict[str, Any]:
    """What the programs of this service go by."""
    network = ctx.features_as(OctaviaFeatures).lb_network
    return {
        "network": network.name,
        "subnets": [
            {
                "cidr": str(ipaddress.ip_network(subnet.range)),
                "allocation_pools": [{"start": str(subnet.pool_start), "end": str(subnet.pool_end)}],
            }
            for subnet in network.subnets
        ],
        # What comes in, from addresses of the network alone.
        "security_groups": {
            "amphorae": {"name": "octavia-amphorae", "open": [{"protocol": "tcp", "port": AGENT_PORT}, {"protocol": "icmp"}]},
            "controllers": {"name": "octavia-controllers", "open": [{"protocol": "udp", "port": HEARTBEAT_PORT}]},
        },
        "flavor": {"id": FLAVOR, "name": FLAVOR, "vcpus": 1, "ram": 1024, "disk": 5, "os-flavor-access:is_public": False},
        "unlimited": {service: list(names) for service, names in _UNLIMITED.items()},
        "interface": {"name": INTERFACE, "bridge": BRIDGE, "database": f"unix:{_SWITCH}/db.sock"},
        "heartbeat_port": HEARTBEAT_PORT,
    }


def files(ctx: ServiceContext, program: str = "octavia_controller.py") -> list[File]:
    """The settings, and a program that goes by them."""
    return [ctx.file(_SETTINGS, json.dumps(settings(ctx), indent=2) + "\n"), *ctx.program(program)]


def env(ctx: ServiceContext) -> Env:
    """Octavia's account, and where the network is asked for what is there."""
    return {**ctx.account_env(), "NETWORK_URL": ctx.url("networking")}


def informed(ctx: ServiceContext, command: Sequence[str]) -> list[str]:
    """A command that is told what was found in the cloud, beneath octavia.conf: what an operator says there holds."""
    del ctx
    found = f"{FOUND}/found.conf"
    told = ["--config-file", found, "--config-file", MAIN]
    return ["python3", f"{_PROGRAMS}/octavia_controller.py", _SETTINGS, found, *command, *told]


def resources(ctx: ServiceContext, *, after: Sequence[Part]) -> Part:
    """The Job that makes the network, its subnets and security groups, and the flavor of amphorae, in Octavia's project."""
    return ctx.task(
        "resources",
        image="toolbox",
        command=["python3", f"{_PROGRAMS}/octavia_resources.py", _SETTINGS],
        config=files(ctx, "octavia_resources.py"),
        env={**env(ctx), "COMPUTE_URL": ctx.url("compute")},
        credentials=False,
        needs=["compute", "identity", "networking"],
        after=after,
    )


def interfaces(ctx: ServiceContext, *, after: Sequence[Part]) -> Part:
    """What keeps each gateway's interface in the network. Its restart touches no packet."""
    program = ("python3", f"{_PROGRAMS}/octavia_interface.py")
    return ctx.agent(
        "interface",
        role_of_nodes=NodeRole.GATEWAY,
        image="neutron",
        command=[*program, "keep", _SETTINGS],
        config=files(ctx, "octavia_interface.py"),
        env=env(ctx),
        credentials=False,
        probes=Probes(command=(*program, "check", _SETTINGS), timeout=15, period=15),
        mounts=[Mount.host(_SWITCH)],
        privilege=Privilege(
            reason="It gives the node an interface in the network of amphorae", user=0, capabilities=("NET_ADMIN",)
        ),
        needs=["identity", "networking"],
        after=[*after, Gate(node_pods=("application=openvswitch,stackloom.io/agent=bridges",))],
        host_network=True,
        resources=Resources(cpu="10m", memory="64Mi", memory_limit="256Mi"),
    )
