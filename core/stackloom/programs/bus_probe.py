"""Whether a worker hears its message bus: the probes of what nobody calls.

Argument: ``ready``, which is true while a process of the container has a connection to the bus, or ``alive``, which is false only
where a restart can help: the bus takes connections, and no process has one. The bus is that of OS_DEFAULT__TRANSPORT_URL; a
second argument names another variable with the URL of what is to be reached instead: a database, by one who hears no bus.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ESTABLISHED = "01"
PROC = Path("/proc")
CONNECT_SECONDS = 3.0


def bus_of(url: str) -> list[tuple[str, int]]:
    """Host and port of each server in a transport URL, which may name several, separated by commas."""
    servers = url.partition("://")[2].partition("/")[0].split(",")
    return [_server(server.rpartition("@")[2]) for server in servers if server]


def _server(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "5672")
    return host.strip("[]"), int(port)


def own_sockets(proc: Path = PROC) -> set[str]:
    """The inodes of the sockets that processes of this container hold, as far as this user may see them."""
    found: set[str] = set()
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if match := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
                        found.add(match[1])
    return found


def connections(ports: set[int], proc: Path = PROC) -> Iterator[str]:
    """The inodes of established connections whose other end has one of ``ports``."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == ESTABLISHED and int(fields[2].rpartition(":")[2], 16) in ports:
                    yield fields[9]


def is_connected(bus: list[tuple[str, int]]) -> bool:
    """Whether a process of this container has a connection to the bus."""
    return not own_sockets().isdisjoint(connections({port for _, port in bus}))


def takes_connections(bus: list[tuple[str, int]]) -> bool:
    """Whether any server of the bus can be reached."""
    for server in bus:
        with suppress(OSError), socket.create_connection(server, timeout=CONNECT_SECONDS):
            return True
    return False


def main(question: str, url: str) -> int:
    """The exit status: 0 for yes."""
    bus = bus_of(url)
    if is_connected(bus):
        return 0
    if question == "alive" and not takes_connections(bus):
        return 0
    print(f"no process has a connection to {', '.join(f'{host}:{port}' for host, port in bus)}")
    return 1


if __name__ == "__main__":
    variable = sys.argv[2] if len(sys.argv) > 2 else "OS_DEFAULT__TRANSPORT_URL"
    sys.exit(main(sys.argv[1], os.environ[variable]))
