"""Keep the node's interface in the network of Octavia's amphorae: ``octavia_interface.py keep|check FILE``.

FILE is the JSON of octavia_resources.py, with

    {"interface": {"name": "o-hm0", "bridge": "br-int", "database": "unix:/run/openvswitch/db.sock"}}

The interface is one of Open vSwitch, tied by its ``iface-id`` to a port of Neutron that is bound to this node: the agent of Open
vSwitch or the controller of OVN does the rest, as it does for servers. It has an address in each subnet, the port's, because
amphorae may be in any. ``keep`` goes on for ever, so that what is lost with the node's /run, or deleted by hand, is made again;
``check`` fails unless the interface is up and has an address. Needs ovs-vsctl and ip; keystoneauth1 for ``keep``.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from program import Failure, read_json, run, say

if TYPE_CHECKING:
    from octavia_api import Entity, Network

PAUSE_SECONDS = 30.0
COMMAND_SECONDS = 20


def told(command: Sequence[str]) -> str:
    """What a command prints. Raises Failure with what it complains of."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)  # noqa: S603
    except OSError as error:
        raise Failure(f"{command[0]} does not start: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{command[0]} did not end within {COMMAND_SECONDS} seconds") from error
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def port_of(neutron: Network, settings: Mapping[str, Any], host: str) -> tuple[Entity, Entity, list[Entity]]:
    """The node's port, its network and the subnets of that. The port is made if there is none, with an address in each subnet."""
    from octavia_api import CONTROLLER  # noqa: PLC0415  # what is behind it is not needed for a check

    network = neutron.wanted("networks", settings["network"])
    group = neutron.wanted("security-groups", settings["security_groups"]["controllers"]["name"])
    subnets = neutron.find("subnets", network_id=network["id"])
    name = f"octavia-controller-{host}"
    port = neutron.named("ports", name) or neutron.make(
        "ports",
        f"the port {name}",
        {
            "name": name,
            "network_id": network["id"],
            "device_owner": CONTROLLER,
            "binding:host_id": host,
            "security_groups": [group["id"]],
            "fixed_ips": [{"subnet_id": subnet["id"]} for subnet in subnets],
        },
    )
    has = {address["subnet_id"] for address in port["fixed_ips"]}
    if lacking := [{"subnet_id": subnet["id"]} for subnet in subnets if subnet["id"] not in has]:
        port = neutron.put(f"ports/{port['id']}", {"port": {"fixed_ips": [*port["fixed_ips"], *lacking]}})["port"]
        say(f"gave the port {name} an address in {len(lacking)} more subnets")
    return port, network, subnets


def plugged(interface: Mapping[str, str], port: Entity, mtu: int) -> list[str]:
    """The one transaction with which Open vSwitch has the interface. Addresses are quoted: they have colons."""
    name = interface["name"]
    ids = {"iface-id": port["id"], "iface-status": "active", "attached-mac": port["mac_address"]}
    return [
        "ovs-vsctl",
        f"--db={interface['database']}",
        "--timeout=15",
        *("--may-exist", "add-port", interface["bridge"], name),
        *("--", "set", "Interface", name, "type=internal", f"mtu_request={mtu}", f"mac={json.dumps(port['mac_address'])}"),
        *(f"external_ids:{key}={json.dumps(value)}" for key, value in ids.items()),
    ]


def addresses(port: Entity, subnets: Iterable[Entity]) -> set[str]:
    """The port's addresses, each with the length of its subnet's prefix."""
    lengths = {subnet["id"]: subnet["cidr"].partition("/")[2] for subnet in subnets}
    return {f"{address['ip_address']}/{lengths[address['subnet_id']]}" for address in port["fixed_ips"]}


def present(interface: str) -> tuple[bool, set[str]]:
    """Whether the interface is up, and its addresses but for those that every interface gives itself."""
    (found,) = json.loads(told(["ip", "-json", "address", "show", "dev", interface]))
    held = {f"{a['local']}/{a['prefixlen']}" for a in found["addr_info"] if a.get("scope") != "link"}
    return "UP" in found["flags"], held


def settle(neutron: Network, settings: Mapping[str, Any], host: str) -> None:
    """Make it all so."""
    interface = settings["interface"]
    name = interface["name"]
    port, network, subnets = port_of(neutron, settings, host)
    told(plugged(interface, port, network["mtu"]))
    up, held = present(name)
    wanted = addresses(port, subnets)
    for address in sorted(wanted - held):
        told(["ip", "address", "add", address, "dev", name])
        say(f"{name} has the address {address}")
    for address in sorted(held - wanted):
        told(["ip", "address", "delete", address, "dev", name])
        say(f"{name} has the address {address} no more")
    if not up:
        told(["ip", "link", "set", name, "up"])


def keep(settings: Mapping[str, Any]) -> None:
    """Settle it again and again. What fails is tried again, and told once."""
    from octavia_api import Network  # noqa: PLC0415

    neutron, host, said = Network.as_octavia(), socket.gethostname(), ""
    while True:
        try:
            settle(neutron, settings, host)
            said = ""
        except Failure as failure:
            if str(failure) != said:
                said = str(failure)
                say(f"trying again: {said}")
        time.sleep(PAUSE_SECONDS / 10 if said else PAUSE_SECONDS)


def check(settings: Mapping[str, Any]) -> None:
    """Raise Failure unless the interface is up and has an address."""
    name = settings["interface"]["name"]
    up, held = present(name)
    if not up or not held:
        raise Failure(f"the interface {name} has no address, or is not up")


def main(arguments: list[str]) -> None:
    """Do what the arguments say."""
    if len(arguments) != 2 or arguments[0] not in ("keep", "check"):
        raise Failure("usage: octavia_interface.py keep|check FILE")
    {"keep": keep, "check": check}[arguments[0]](read_json(arguments[1]))


if __name__ == "__main__":
    run(main)
