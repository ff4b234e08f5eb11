"""Share network cards out as virtual functions (SR-IOV): an init container of the agent on nodes that have such cards.

Reads the path of a JSON file,

    {"cards": [{"device": "ens7", "functions": 8, "mtu": 9000, "trusted": true, "before": "<commands>", "after": "<commands>"}]}

The number of a card that has some already is not changed: servers would lose those that they have. Needs ip.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from program import Failure, read_json, run, say

NET = Path("/sys/class/net")


def do(command: Sequence[str]) -> None:
    """Run a command. Raises Failure with what it complains of."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.stdout.strip():
        say(done.stdout.strip())
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


def number(path: Path) -> int:
    """The number in a file of the kernel's."""
    return int(path.read_text(encoding="ascii").strip())


def make_functions(device: str, wanted: int, net: Path = NET) -> None:
    """Make the functions of a card that has none yet. Raises Failure for one that cannot have them."""
    folder = net / device / "device"
    if not (net / device).exists():
        raise Failure(f"this node has no interface {device}")
    if not (folder / "sriov_totalvfs").exists():
        raise Failure(f"the card of {device} has no virtual functions")
    most, present = number(folder / "sriov_totalvfs"), number(folder / "sriov_numvfs")
    if wanted > most:
        raise Failure(f"the card of {device} has at most {most} virtual functions, and {wanted} are wanted")
    if present and present != wanted:
        what = f"{device} has {present} virtual functions, which servers may use, and {wanted} are wanted"
        raise Failure(f"{what}: move the servers away and write 0 to {folder / 'sriov_numvfs'}")
    if not present:
        (folder / "sriov_numvfs").write_text(str(wanted), encoding="ascii")
        say(f"made {wanted} virtual functions of {device}")


def settle(card: Mapping[str, Any]) -> None:
    """Prepare one card."""
    device, functions = card["device"], card["functions"]
    if card["before"]:
        do(["sh", "-c", card["before"]])
    make_functions(device, functions)
    if card["after"]:
        do(["sh", "-c", card["after"]])
    if card["mtu"]:
        do(["ip", "link", "set", "dev", device, "mtu", str(card["mtu"])])
    do(["ip", "link", "set", "dev", device, "up"])
    for function in range(functions):
        do(["ip", "link", "set", "dev", device, "vf", str(function), "trust", "on" if card["trusted"] else "off"])


def main(arguments: list[str]) -> None:
    """Prepare the cards that the file of the first argument lists."""
    if len(arguments) != 1:
        raise Failure("usage: virtual_functions.py FILE")
    for card in read_json(arguments[0])["cards"]:
        settle(card)


if __name__ == "__main__":
    run(main)
