"""Run a program as the cluster does: the files that are shipped for it, in a directory of their own, and its own environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stackloom.manifests.programs import program_files

PROGRAMS = Path(__file__).parents[3] / "core" / "stackloom" / "programs"


def ship(name: str, directory: Path) -> Path:
    """The program's files in ``directory``, as its ConfigMap would show them; the path to start."""
    for file, text in program_files(name).items():
        (directory / file).write_text(text)
    return directory / f"{name}.py"


def run_program(
    name: str, directory: Path, *arguments: str, env: Mapping[str, str], python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """The program's exit status and output, both streams in one, as ``kubectl logs`` shows them."""
    return subprocess.run(
        [python, str(ship(name, directory)), *arguments],
        env={"PATH": os.environ["PATH"], **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def run_checked(command: Sequence[str], env: Mapping[str, str]) -> None:
    """Run a command that must succeed; fail with the end of its output."""
    result = subprocess.run(command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert result.returncode == 0, f"{command[0]}:\n{result.stdout[-2000:]}"


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], what: str, log: Path, seconds: float = 60) -> None:
    """Return when ``ready`` says so; fail with the end of ``log`` when the process ends first, or takes too long."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            end = log.read_text(errors="replace")[-2000:]
            raise AssertionError(f"{what} did not start:\n{end}")
        time.sleep(0.1)


def is_open(port: int) -> bool:
    """Whether somebody listens on this port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
