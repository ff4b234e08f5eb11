"""Start a controller of Octavia with what is known only in the cloud: ``octavia_controller.py SETTINGS FOUND COMMAND...``.

SETTINGS is the JSON of octavia_resources.py, with ``"heartbeat_port": 5555``. What is found by it is written to FOUND, a file of
options that the command reads: the ids of the network and of the security group of amphorae, whose project their image is in,
where this node's health manager listens, and where all of them do. These come and go with gateways: they are looked for every
minute, and when something is new the command is ended and started anew. It could be told by SIGHUP to read its options again, but
workers that were told so take nothing more from their bus. New amphorae hear of what is new; those that run keep what they were
told. NETWORK_URL is Neutron's, OS_* Octavia's account.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from octavia_api import Absent, Entity, Network
from program import Failure, patiently, read_json, run, say

PAUSE_SECONDS = 60.0
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Found:
    """What was found; ``listens`` is the address on this node, ``controllers`` are those of all, each with its port."""

    network: str
    group: str
    project: str
    listens: str
    controllers: tuple[str, ...]

    @property
    def text(self) -> str:
        """As options."""
        return f"""\
[controller_worker]
amp_boot_network_list = {self.network}
amp_secgroup_list = {self.group}
amp_image_owner_id = {self.project}

[health_manager]
bind_ip = {self.listens}
controller_ip_port_list = {", ".join(self.controllers)}
"""


def listening(port: Entity) -> str:
    """Where the health manager of a port's node listens: on its address, or where it has several, on all that the node has."""
    held = [address["ip_address"] for address in port["fixed_ips"]]
    if len(held) == 1:
        return str(held[0])
    return "::" if any(":" in address for address in held) else "0.0.0.0"  # noqa: S104


def heard(ports: Sequence[Entity], number: int) -> tuple[str, ...]:
    """Where all health managers are heard of: each address of each."""
    held = sorted(address["ip_address"] for port in ports for address in port["fixed_ips"])
    return tuple(f"[{address}]:{number}" if ":" in address else f"{address}:{number}" for address in held)


def find(neutron: Network, settings: Mapping[str, Any], host: str) -> Found:
    """Look for all of it. Raises Absent where something is not there yet."""
    network = neutron.wanted("networks", settings["network"])
    group = neutron.wanted("security-groups", settings["security_groups"]["amphorae"]["name"])
    ports = neutron.controllers(network["id"])
    own = next((port for port in ports if port["name"] == f"octavia-controller-{host}"), None)
    if own is None:
        raise Absent(f"the network {network['name']} has no port for this node, {host}, yet")
    return Found(network["id"], group["id"], neutron.project, listening(own), heard(ports, settings["heartbeat_port"]))


def news(neutron: Network, settings: Mapping[str, Any], host: str, known: Found) -> Found | None:
    """What is there now, if it is not what is known."""
    try:
        now = find(neutron, settings, host)
    except Failure as failure:
        say(f"going on with what is known: {failure}")
        return None
    return now if now != known else None


def run_until_news(command: Sequence[str], look: Callable[[], Found | None]) -> Found:
    """Run the command until there is something new, and end it then. Where it ends by itself, so does this program."""
    child = subprocess.Popen(command)  # noqa: S603
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            sys.exit(child.wait(PAUSE_SECONDS))
        except subprocess.TimeoutExpired:
            if now := look():
                child.terminate()
                child.wait()
                return now


def main(arguments: list[str]) -> None:
    """Start the command, and start it anew when there is something new."""
    if len(arguments) < 3:
        raise Failure("usage: octavia_controller.py SETTINGS FOUND COMMAND...")
    settings, file, command = read_json(arguments[0]), Path(arguments[1]), arguments[2:]
    neutron, host = Network.as_octavia(), socket.gethostname()
    known = patiently(lambda: find(neutron, settings, host), Absent, seconds=PATIENCE_SECONDS)
    while True:
        file.write_text(known.text, encoding="utf-8")
        say(f"health managers are at {', '.join(known.controllers)}")
        known = run_until_news(command, partial(news, neutron, settings, host, known))


if __name__ == "__main__":
    run(main)
