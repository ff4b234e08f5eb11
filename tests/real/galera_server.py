"""One server of a Galera cluster on loopback: our program with its MariaDB, as they run in a Pod, and what can happen to it."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pymysql

from tests.real.parts import absent
from tests.real.servers import run_checked

if TYPE_CHECKING:
    from tests.real.galera import GaleraCluster

PATIENCE_SECONDS = 60.0
SQL_PORT, AGENT_PORT = 3306, 8081

Connection: TypeAlias = "pymysql.Connection[pymysql.cursors.Cursor]"


def wait_for(what: str, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS, log: Callable[[], str] = str) -> Any:
    """What ``condition`` gives once that is true. AssertionError with the log when it does not become so."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}, in vain for {seconds} s:\n{log()}"
        time.sleep(0.05)
    return found


def tied() -> list[str]:
    """Before a command: MariaDB and rsync do not want to run as root, and nothing is to outlive a test that is killed.

    The kernel tells a process when the thread ends that has started it: start servers from the main thread.
    """
    user = ["--reuid=mysql", "--regid=mysql", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig=TERM", "--"]


def owned(directory: Path) -> Path:
    """A directory that the servers may write to, made if it is not there."""
    directory.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(directory, "mysql", "mysql")
    return directory


@dataclass
class Server:
    """One Pod of the StatefulSet; ``root`` holds its volume, and is its node."""

    cluster: GaleraCluster
    number: int
    ip: str
    root: Path
    uid: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The Pod's name."""
        return f"mariadb-server-{self.number}"

    @property
    def data(self) -> Path:
        """MariaDB's data directory."""
        return self.root / "volume" / "data"

    def said(self) -> str:
        """What its container has logged."""
        log = self.root / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def start(self, uid: str = "") -> None:
        """Start the container of a new Pod; ``uid`` is the one that the API gave to it, if it has it."""
        self.uid = uid or f"{self.name}-{random.getrandbits(64):x}"
        self.resume()

    def resume(self) -> None:
        """Start the container of the same Pod again."""
        assert self.process is None, f"{self.name} runs already"
        for directory in ("volume", "run"):
            owned(self.root / directory)
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*tied(), *self.cluster.command],
                env=self.cluster.environment(self),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def mariadbd(self) -> int:
        """The process id of the MariaDB that runs; 0 if none does."""
        if self.process is None:
            return 0
        with suppress(FileNotFoundError):
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            return next((int(child) for child in children if _program_of(child) == "mariadbd"), 0)
        return 0

    def crash(self) -> None:
        """Kill everything that runs on the node, as a loss of power does, and the Pod with it."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGSTOP)  # it would start what is killed anew
        for pid in _descendants(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.process = None

    def crash_mariadb(self) -> None:
        """Kill MariaDB alone, and see its Pod not ready, so that readiness seen afterwards is not from before."""
        os.kill(self.mariadbd(), signal.SIGKILL)
        wait_for("the crash is noticed", lambda: not self.is_ready(), log=self.said)

    def ask_to_stop(self) -> None:
        """What the kubelet does first when the Pod is deleted."""
        assert self.process is not None
        self.process.terminate()

    def stopped(self, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait for the container's end after it was asked; how long that took."""
        assert self.process is not None
        began = time.monotonic()
        assert self.process.wait(timeout=seconds) == 0, self.said()
        self.process = None
        return time.monotonic() - began

    def lose_disk(self) -> None:
        """Take the volume away from a server that does not run."""
        assert self.process is None
        shutil.rmtree(self.root / "lost", ignore_errors=True)
        (self.root / "volume").rename(self.root / "lost")

    def find_disk(self) -> None:
        """Give it the volume back that it had lost."""
        assert self.process is None
        shutil.rmtree(self.root / "volume", ignore_errors=True)
        (self.root / "lost").rename(self.root / "volume")

    def phase(self) -> str:
        """What it says that it does; "" if it does not answer."""
        return str(self.state().get("phase", ""))

    def ask(self, path: str = "/state", method: str = "GET", *, seconds: float = 3) -> tuple[int, Any]:
        """The agent's answer: status and body; (0, None) if it does not answer."""
        connection = http.client.HTTPConnection(self.ip, AGENT_PORT, timeout=seconds)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()

    def state(self) -> dict[str, Any]:
        """The agent's ``/state``; empty if it does not answer."""
        return self.ask()[1] or {}

    def is_ready(self) -> bool:
        """Whether its readiness probe succeeds."""
        return self.ask("/readyz")[0] == 200

    def is_primary(self) -> bool:
        """Whether it says that it is part of a running cluster."""
        return ((self.state().get("wsrep") or {}).get("cluster_status")) == "Primary"

    def connect(self, user: str = "root", timeout: float = 10.0) -> Connection:
        """A connection as a client in another Pod makes it."""
        return pymysql.connect(
            host=self.ip,
            user=user,
            password=self.cluster.password,
            autocommit=True,
            connect_timeout=2,
            read_timeout=timeout,
            write_timeout=timeout,
        )

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def isolate(self, *, cut: bool = True) -> None:
        """Drop all that Galera would send to the others and get from them, or let it through again."""
        self.sql(f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={int(cut)}'")


@contextmanager
def no_link(one: Server, other: Server) -> Iterator[None]:
    """Drop what these two send to each other; both still reach everybody else. For root alone."""
    iptables = shutil.which("iptables", path=f"{os.environ['PATH']}:/usr/sbin") or absent("no iptables (Debian: iptables)")
    ways = [["INPUT", "-p", "tcp", "-s", a.ip, "-d", b.ip, "-j", "DROP"] for a, b in ((one, other), (other, one))]
    for way in ways:
        run_checked([iptables, "-A", *way], os.environ)
    try:
        yield
    finally:
        for way in ways:
            run_checked([iptables, "-D", *way], os.environ)


def _program_of(pid: int | str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_descendants(child)]
    return found
