"""Neutron: networks and routers of a user, addresses that are served, and ports that Open vSwitch is told of.

Open vSwitch switches in userspace: this machine's kernel has no module for it. Its agents are told so, as on any such node.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from openstack.connection import Connection

from tests.real.boot.network import BRIDGE
from tests.real.boot.scenario import RunningCloud, Scenario

PATIENCE_SECONDS = 120.0
SWITCH = "unix:/run/openvswitch/db.sock"


def until(true: Callable[[], Any], what: str) -> Any:
    """What is true in the end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := true()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(1)
    return found


def made(admin: Connection, name: str, cidr: str) -> tuple[Any, Any]:
    """A network with a subnet."""
    network = admin.network.create_network(name=name)
    return network, admin.network.create_subnet(network_id=network.id, name=name, ip_version=4, cidr=cidr)


def where_ports_are_bound(cloud: RunningCloud) -> str:
    """The host of the agent of Open vSwitch once it is alive: on a busy machine a report of it may be late."""

    def alive() -> list[str]:
        return [a.host for a in cloud.admin.network.agents() if a.is_alive and a.binary == "neutron-openvswitch-agent"]

    return str(until(alive, "an agent of Open vSwitch that is alive")[0])


def every_agent_reports(cloud: RunningCloud) -> None:
    wanted = {"neutron-openvswitch-agent", "neutron-dhcp-agent", "neutron-l3-agent"}
    network = cloud.admin.network
    until(lambda: wanted <= {agent.binary for agent in network.agents() if agent.is_alive}, "agents that are alive")


def the_floating_network_is_there_with_its_subnet_and_a_router(cloud: RunningCloud) -> None:
    network = cloud.admin.network
    public = network.find_network("public", ignore_missing=False)
    (subnet,) = network.subnets(network_id=public.id)
    router = network.find_router("r1", ignore_missing=False)
    assert (subnet.cidr, subnet.is_dhcp_enabled, public.is_router_external) == ("203.0.113.0/24", False, True)
    assert router.external_gateway_info["network_id"] == public.id


def a_port_becomes_active_when_open_vswitch_has_it(cloud: RunningCloud) -> None:
    network = cloud.admin.network
    tenant, _ = made(cloud.admin, "wired", "10.1.0.0/24")
    host = where_ports_are_bound(cloud)
    port = network.create_port(network_id=tenant.id, name="server", binding_host_id=host, device_owner="compute:nova")
    assert (port.binding_vif_type, port.status) == ("ovs", "DOWN")
    name = f"tap{port.id[:11]}"
    plug = ["ovs-vsctl", f"--db={SWITCH}", "add-port", "br-int", name, "--", "set", "Interface", name, "type=internal"]
    ids = {"iface-id": port.id, "iface-status": "active", "attached-mac": port.mac_address}
    words = [f"external_ids:{key}={value}" for key, value in ids.items()]
    done = cloud.node.container("openvswitch").run([*plug, *words])
    assert done.returncode == 0, done.stderr
    until(lambda: network.get_port(port.id).status == "ACTIVE", "an active port")


def a_network_has_a_server_of_addresses(cloud: RunningCloud) -> None:
    network = cloud.admin.network
    tenant, subnet = made(cloud.admin, "served", "10.2.0.0/24")
    network.create_port(network_id=tenant.id, name="asks")
    found = until(lambda: list(network.ports(network_id=tenant.id, device_owner="network:dhcp")), "a port of DHCP")
    until(lambda: network.get_port(found[0].id).status == "ACTIVE", "an active port of DHCP")
    agent = cloud.node.container("neutron-dhcp-agent")
    until(lambda: _serves(agent.run(["ps", "-eo", "args"]).stdout, tenant.id), "dnsmasq")
    assert subnet.is_dhcp_enabled


def _serves(processes: str, network: str) -> bool:
    return any(line.startswith("dnsmasq") and network in line for line in processes.splitlines())


def a_router_joins_a_network_to_the_floating_one(cloud: RunningCloud) -> None:
    network = cloud.admin.network
    _, subnet = made(cloud.admin, "routed", "10.3.0.0/24")
    router = network.find_router("r1", ignore_missing=False)
    network.add_interface_to_router(router, subnet=subnet.id)
    agent = cloud.node.container("neutron-l3-agent")
    until(lambda: "10.3.0.1" in _addresses(agent, f"qrouter-{router.id}"), "the router's address in its namespace")


def _addresses(agent: Any, namespace: str) -> str:
    return str(agent.run(["ip", "netns", "exec", namespace, "ip", "-4", "address"]).stdout)


SCENARIO = Scenario(
    services=["networking"],
    spec={
        "features": {
            "neutron": {
                "tunnel_interface": BRIDGE,
                "external_networks": [{"physnet": "physnet1", "bridge": "br-ex", "network_types": ["flat"]}],
                "floating_network": {
                    "enabled": True,
                    "physnet": "physnet1",
                    "subnet": {
                        "range": "203.0.113.0/24",
                        "pool_start": "203.0.113.100",
                        "pool_end": "203.0.113.200",
                        "gateway": "203.0.113.1",
                    },
                },
            }
        },
        "services": {
            "networking": {"neutron": {"values": {"conf": {"openvswitch_agent": {"ovs": {"datapath_type": "netdev"}}}}}}
        },
    },
    shows=[
        every_agent_reports,
        the_floating_network_is_there_with_its_subnet_and_a_router,
        a_port_becomes_active_when_open_vswitch_has_it,
        a_network_has_a_server_of_addresses,
        a_router_joins_a_network_to_the_floating_one,
    ],
)
