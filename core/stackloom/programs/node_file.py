"""Write configuration that differs by node: the init container ``node-files`` of agents on their node's network.

Arguments: pairs of a file and where its text goes. In the text ``@address:ens4@`` becomes the address of the node's interface
``ens4``: the first IPv4 one, or else the first global IPv6 one.
"""

from __future__ import annotations

import fcntl
import ipaddress
import re
import socket
import struct
from functools import partial
from pathlib import Path

from program import Failure, patiently, run, say

MARK = re.compile(r"@address:([^@\s]+)@")
SIOCGIFADDR = 0x8915
INET6 = Path("/proc/net/if_inet6")
PATIENCE_SECONDS = 60.0


class Absent(Exception):
    """An interface that is not there, or has no address yet."""


def ipv4_of(interface: str) -> str:
    """The first IPv4 address of an interface, "" where it has none."""
    request = struct.pack("256s", interface.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket.fileno(), SIOCGIFADDR, request)
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])


def ipv6_of(interface: str, known: str) -> str:
    """The first global IPv6 address of an interface among what the kernel lists in ``known``, "" where it has none."""
    for line in known.splitlines():
        digits, _, _, scope, _, name = line.split()
        if name == interface and scope == "00":
            return str(ipaddress.IPv6Address(bytes.fromhex(digits)))
    return ""


def address_of(interface: str) -> str:
    """The address of an interface. Raises Absent while it has none."""
    listed = INET6.read_text(encoding="ascii") if INET6.exists() else ""
    if found := ipv4_of(interface) or ipv6_of(interface, listed):
        return found
    names = ", ".join(name for _, name in socket.if_nameindex())
    raise Absent(f"the interface {interface} has no address on this node, which has {names}")


def rendered(text: str) -> str:
    """The text with the addresses of this node. Raises Failure for an interface that gets none in time."""

    def address(match: re.Match[str]) -> str:
        return patiently(partial(address_of, match[1]), Absent, seconds=PATIENCE_SECONDS)

    return MARK.sub(address, text)


def main(arguments: list[str]) -> None:
    """Write each file."""
    if not arguments or len(arguments) % 2:
        raise Failure("give pairs of a file and where its text goes")
    for source, target in zip(arguments[::2], arguments[1::2], strict=True):
        Path(target).write_text(rendered(Path(source).read_text(encoding="utf-8")), encoding="utf-8")
        say(f"wrote {target}")


if __name__ == "__main__":
    run(main)
