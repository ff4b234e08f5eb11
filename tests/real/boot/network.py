"""The networks of a node and of its Pods: each Pod has an address and ports of its own, as in a cluster."""

from __future__ import annotations

import ctypes
import fcntl
import ipaddress
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TypeVar

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1
PODS = ipaddress.ip_network("10.244.0.0/16")
NODE = str(PODS[1])
BRIDGE = "pods"
T = TypeVar("T")


@contextmanager
def private_network() -> Iterator[None]:
    """A network namespace for this thread, and for the threads and processes that it starts: that of a node with a bridge.

    OSError where that is not allowed. Connections that are open stay where they are.
    """
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        _enter_new_network()
        try:
            _ip(
                f"link add {BRIDGE} type bridge",
                f"address add {NODE}/{PODS.prefixlen} dev {BRIDGE}",
                f"link set {BRIDGE} up",
            )
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # this network's own: Pods reach what is forwarded
            yield
        finally:
            _succeeded(_libc().setns(before.fileno(), CLONE_NEWNET))


@dataclass
class PodNetwork:
    """The network namespace of a Pod, which lasts until it is closed and its last process has ended; ``path`` leads to it."""

    address: str
    path: str
    _descriptor: int

    @classmethod
    def of(cls, address: str) -> PodNetwork:
        """A new one, wired to the node's bridge under ``address``. CalledProcessError where that fails."""
        descriptor = _in_thread(_new_network)
        network = cls(address, f"/proc/{os.getpid()}/fd/{descriptor}", descriptor)
        wire = f"veth{int(ipaddress.ip_address(address)) - int(PODS[0])}"
        _ip(f"link add {wire} type veth peer name eth0 netns {network.path}", f"link set {wire} master {BRIDGE} up")
        inside = (f"address add {address}/{PODS.prefixlen} dev eth0", "link set eth0 up", f"route add default via {NODE}")
        _in_thread(lambda: _wire_up(descriptor, inside))
        return network

    def close(self) -> None:
        """Let it go."""
        os.close(self._descriptor)


def forward(port: int, address: str, to: int) -> None:
    """Let the node's ``port`` be that of a Pod, as a ``hostPort`` does: for the node itself, and for Pods."""
    for chain in ("OUTPUT", "PREROUTING"):
        _iptables("-A", chain, "-d", NODE, "-p", "tcp", "--dport", str(port), "-j", "DNAT", "--to", f"{address}:{to}")
    _iptables("-A", "POSTROUTING", "-d", address, "-m", "conntrack", "--ctstate", "DNAT", "-j", "MASQUERADE")


def lacks_tools() -> str:
    """What is missing that networks are made with; "" if nothing is."""
    return ", ".join(name for name in ("ip", "iptables") if not shutil.which(name))


def _enter_new_network() -> None:
    _succeeded(_libc().unshare(CLONE_NEWNET))
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def _new_network() -> int:
    _enter_new_network()
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _wire_up(descriptor: int, commands: Sequence[str]) -> None:
    _succeeded(_libc().setns(descriptor, CLONE_NEWNET))
    _ip(*commands)


def _in_thread(work: Callable[[], T]) -> T:
    """Do it in a thread of its own, whose namespaces end with it."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _ip(*commands: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True, check=True, capture_output=True)


def _iptables(*words: str) -> None:
    subprocess.run(["iptables", "-w", "-t", "nat", *words], check=True, capture_output=True)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _succeeded(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
