"""A network of a test's own, so that ports have the numbers of the manifests and clash with nobody's."""

from __future__ import annotations

import ctypes
import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
IFF_UP = 0x1
PODS = ipaddress.ip_network("10.244.0.0/16")


@contextmanager
def private_network() -> Iterator[None]:
    """A network namespace for this thread, and for the threads and processes that it starts: loopback and nothing else.

    Every address of PODS leads to it (the API takes no endpoint of 127/8). OSError where that is not allowed. Connections that
    are open stay where they are.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        _succeeded(libc.unshare(CLONE_NEWNET))
        try:
            _raise_loopback()
            yield
        finally:
            _succeeded(libc.setns(before.fileno(), CLONE_NEWNET))


def _raise_loopback() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
        for request, address in ((SIOCSIFADDR, PODS[1]), (SIOCSIFNETMASK, PODS.netmask)):
            fcntl.ioctl(any_socket, request, struct.pack("16sH2x4s8x", b"lo:0", socket.AF_INET, address.packed))


def _succeeded(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
