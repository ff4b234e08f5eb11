"""Programs that are started for a test session and listen on loopback."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"
START_SECONDS = 60
PORTS = range(15000, 32000)


class ServerError(Exception):
    """A program failed, or did not come up; the message ends with what it said last."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now.

    It is none of those that the system gives to outgoing connections: a server that restarts must find it free again.
    """
    for port in random.sample(PORTS, len(PORTS)):
        try:
            socket.create_server((LOOPBACK, port)).close()
        except OSError:
            continue
        return port
    raise ServerError("every port is taken")


def run_checked(command: Sequence[str], env: Mapping[str, str]) -> None:
    """Run a command that must succeed. ServerError when it does not."""
    result = subprocess.run(command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0:
        raise ServerError(f"{command[0]} failed:\n{result.stdout[-2000:]}")


@contextmanager
def served(command: Sequence[str], env: Mapping[str, str], port: int, log: Path, *, host: str = LOOPBACK) -> Iterator[None]:
    """Run a program that listens on ``port`` of ``host`` while the context lasts. ServerError when it does not come up."""
    with log.open("wb") as stream, subprocess.Popen(command, env=dict(env), stdout=stream, stderr=stream) as process:
        try:
            _wait_for(process, (host, port), log)
            yield
        finally:
            process.terminate()


def _wait_for(process: subprocess.Popen[bytes], address: tuple[str, int], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_open(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def _is_open(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0
