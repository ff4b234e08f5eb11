"""Tell the node's Open vSwitch what its ovn-controller reads there: ``ovn_chassis.py SETTINGS`` runs before that.

SETTINGS is a JSON file: ``database`` is how Open vSwitch's database is reached, ``external_ids`` what is to stand in its
``external_ids``, ``absent`` the keys that must not. The node's own name and identity are added. The identity follows from the
name, so that a node whose database was lost comes back as the one that it was, and not as a second one with its address.
"""

from __future__ import annotations

import json
import socket
import subprocess
import uuid
from collections.abc import Iterable, Mapping

from program import Failure, patiently, read_json, run, say

NODES = uuid.UUID("1d6a6f44-6a3b-4a54-9c0c-5f6e0a5b1c57")
PATIENCE_SECONDS = 120.0


class Refused(Exception):
    """Open vSwitch does not answer, or does not take it."""


def identity(hostname: str) -> dict[str, str]:
    """Who the node is. Neutron finds it by its name, and the cluster of databases by its identity."""
    return {"hostname": hostname, "system-id": str(uuid.uuid5(NODES, hostname))}


def command(database: str, external_ids: Mapping[str, str], absent: Iterable[str]) -> list[str]:
    """The one transaction that makes it so. Values are quoted, because colons and commas in them would be read otherwise."""
    values = [f"external_ids:{key}={json.dumps(value)}" for key, value in sorted(external_ids.items())]
    removed = ["--", "remove", "Open_vSwitch", ".", "external_ids", *sorted(absent)] if absent else []
    return ["ovs-vsctl", f"--db={database}", "--no-wait", "--timeout=10", "set", "Open_vSwitch", ".", *values, *removed]


def carry_out(words: list[str]) -> None:
    """Run the command. Raises Refused with what it says."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Refused(done.stderr.strip() or f"{words[0]} ended with {done.returncode}")


def main(arguments: list[str]) -> None:
    """Write it, as soon as Open vSwitch answers."""
    if len(arguments) != 1:
        raise Failure("usage: ovn_chassis.py SETTINGS")
    settings = read_json(arguments[0])
    external_ids = {**settings["external_ids"], **identity(socket.gethostname())}
    words = command(settings["database"], external_ids, settings["absent"])
    patiently(lambda: carry_out(words), Refused, seconds=PATIENCE_SECONDS)
    say(f"this node is {external_ids['system-id']} ({external_ids['hostname']})")


if __name__ == "__main__":
    run(main)
