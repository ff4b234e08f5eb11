"""Make the bridges of Open vSwitch to the networks of the data centre, and make them again where they were lost.

Arguments: ``keep`` or ``check``, and the path of a JSON file,

    {"database": "unix:/run/openvswitch/db.sock", "datapath": "system",
     "bridges": {"br-ex": {"ports": [{"name": "ens4"}], "mtu": 9000},
                 "br-phy": {"address": "10.12.2.80/24",
                            "ports": [{"name": "nic01", "pci": "0000:05:00.0"},
                                      {"name": "bond0", "options": ["bond_mode=active-backup"], "members": [{...}, {...}]}]}}}

``keep`` goes on for ever. An interface that has an address is taken into no bridge: the node would lose what it reaches
through it.
Needs ovs-vsctl and ip.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from program import Failure, read_json, run, say

Port = Mapping[str, Any]

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


class Switch:
    """The node's Open vSwitch, and its interfaces."""

    def __init__(self, database: str, datapath: str) -> None:
        self._database = database
        self._datapath = datapath

    def _vsctl(self, *words: str) -> str:
        return told(["ovs-vsctl", f"--db={self._database}", "--timeout=15", *words])

    def ports(self, bridge: str) -> set[str]:
        """The ports that a bridge has; none where it is not there."""
        if bridge not in self._vsctl("list-br").split():
            return set()
        return set(self._vsctl("list-ports", bridge).split())

    def lacks(self, name: str, wanted: Mapping[str, Any]) -> list[Port]:
        """The ports that a bridge should have and has not."""
        present = self.ports(name)
        return [port for port in wanted["ports"] if port["name"] not in present]

    def has_bridge(self, name: str) -> bool:
        """Whether the bridge is there."""
        return name in self._vsctl("list-br").split()

    def settle(self, name: str, wanted: Mapping[str, Any]) -> None:
        """Make one bridge and what it lacks."""
        if not self.has_bridge(name):
            self._vsctl("--may-exist", "add-br", name, "--", "set", "bridge", name, f"datapath_type={self._datapath}")
            say(f"made the bridge {name}")
        for port in self.lacks(name, wanted):
            self._plug(name, port)
            say(f"put {port['name']} on the bridge {name}")
        if mtu := wanted.get("mtu"):
            self._vsctl("set", "interface", name, f"mtu_request={mtu}")
        if address := wanted.get("address"):
            told(["ip", "address", "replace", address, "dev", name])
            told(["ip", "link", "set", name, "up"])

    def _plug(self, bridge: str, port: Port) -> None:
        name = port["name"]
        if "members" in port:
            members = [member["name"] for member in port["members"]]
            settings = [word for member in port["members"] for word in _dpdk(member)]
            self._vsctl("--may-exist", "add-bond", bridge, name, *members, *port["options"], *settings)
        elif "pci" in port:
            self._vsctl("--may-exist", "add-port", bridge, name, *_dpdk(port))
        else:
            if addresses := addresses_of(name):
                what = f"the interface {name} has the address {addresses[0]}, which the node would lose on the bridge {bridge}"
                raise Failure(f"{what}: take the address away, or name another interface")
            self._vsctl("--may-exist", "add-port", bridge, name)
            told(["ip", "link", "set", name, "up"])


def _dpdk(port: Port) -> list[str]:
    return ["--", "set", "interface", port["name"], "type=dpdk", f"options:dpdk-devargs={port['pci']}"]


def addresses_of(interface: str) -> list[str]:
    """The addresses of an interface of the node, but for those that every interface gives itself."""
    found = json.loads(told(["ip", "-json", "address", "show", "dev", interface]) or "[]")
    return [a["local"] for entry in found for a in entry.get("addr_info", ()) if a.get("scope") != "link" and "local" in a]


def settle_all(switch: Switch, bridges: Mapping[str, Mapping[str, Any]], said: str = "") -> str:
    """Make all that is wanted, whatever fails of one bridge. What failed is returned, and told unless it is what was ``said``."""
    problems = []
    for name, wanted in bridges.items():
        try:
            switch.settle(name, wanted)
        except Failure as failure:
            problems.append(str(failure))
    now = "; ".join(problems)
    if now and now != said:
        say(f"trying again: {now}")
    return now


def check(switch: Switch, bridges: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise Failure unless all is there."""
    for name, wanted in bridges.items():
        if not switch.has_bridge(name):
            raise Failure(f"there is no bridge {name}")
        if lacking := switch.lacks(name, wanted):
            raise Failure(f"the bridge {name} lacks {', '.join(str(port['name']) for port in lacking)}")


def main(arguments: list[str]) -> None:
    """Do what the arguments say."""
    if len(arguments) != 2 or arguments[0] not in ("keep", "check"):
        raise Failure("usage: bridges.py keep|check FILE")
    wanted = read_json(arguments[1])
    switch = Switch(wanted["database"], wanted["datapath"])
    if arguments[0] == "check":
        check(switch, wanted["bridges"])
        return
    said = ""
    while True:
        said = settle_all(switch, wanted["bridges"], said)
        time.sleep(PAUSE_SECONDS if not said else PAUSE_SECONDS / 10)


if __name__ == "__main__":
    run(main)
