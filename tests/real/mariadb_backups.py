"""The program that keeps the backups, run as its Pod would, beside servers whose backups it keeps."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pymysql

from tests.real.mariadb_node import ACCOUNT, OPTIONS, PASSWORD, PATH, PROVIDER, Node, identity, wait_for
from tests.real.parts import absent
from tests.real.programs.running import Programs
from tests.real.servers import LOOPBACK, free_port, run_checked

sys.path.insert(0, str(Path(__file__).parents[2] / "core" / "stackloom" / "programs"))

from mariadb_calls import BrokenOff, Refused, call
from mariadb_fetch import fetch

__all__ = ["ACCOUNT", "Keeper", "Node", "backups", "wait_for"]

NEEDED = ("mariadbd", "mariadb-install-db", "mariadb-backup", "mariadb-binlog", "mbstream", "zstd", "openssl", "socat", "lsof")


class Backed(Protocol):
    """A server whose backups are kept."""

    address: str
    config: Path
    secrets: Path


@dataclass
class Keeper:
    """The program that keeps the backups."""

    folder: Path
    address: str
    nodes: Sequence[Backed]
    account: tuple[str, str] = ACCOUNT
    settings: dict[str, str] = field(default_factory=dict)
    metrics_port: int = field(default_factory=free_port)
    volume: Path = Path()
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.volume = self.folder / "backup"
        self.volume.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.volume, "mysql", "mysql")
        programs = self.folder / "programs"
        programs.mkdir()
        shutil.copytree(Path(pymysql.__file__).parent, programs / "pymysql")
        self._command = Programs(programs).command(
            "mariadb_backup", python=shutil.which("python3", path="/usr/bin") or sys.executable
        )

    def start(self, **settings: str) -> None:
        """Start its container."""
        self.settings |= settings
        env = {
            "PATH": PATH,
            "MARIADB_PEERS": ",".join(node.address for node in self.nodes),
            "MARIADB_PRIMARY": self.nodes[0].address,
            "MARIADB_CONFIG": str(self.nodes[0].config),
            "MARIADB_SECRETS": str(self.nodes[0].secrets),
            "BACKUP_VOLUME": str(self.volume),
            "BACKUP_TYPE": "incremental",
            "BACKUP_CYCLE": "604800",
            "BACKUPS_TO_KEEP": "3",
            "ARCHIVE_SECONDS": "0.5",
            "BACKUP_HOST": self.address,
            "BACKUP_MEMORY": str(64 * 2**20),
            "METRICS_PORT": str(self.metrics_port),
            **self.settings,
        }
        with (self.folder / "keeper.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **identity()
            )
        wait_for("it answers", self._answers, log=self.said)

    def own(self) -> None:
        """Give it the files of its volume."""
        if os.geteuid() == 0:
            run_checked(["chown", "-R", "mysql:mysql", str(self.volume)], os.environ)

    def kill(self) -> None:
        """Kill it and all that it runs, as a loss of power does."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """What it answers."""
        return call((self.address, 8081), method, path, self.account, body=body)

    def result(self, path: str, body: Any = None, seconds: float = 90) -> dict[str, Any]:
        """How a task ended that is begun by a POST to ``path``."""
        number = wait_for("it is free", lambda: self._begun(path, body), seconds, self.said)["task"]
        return dict(wait_for("the task ends", lambda: self._ended(number), seconds, self.said))

    def backup(self) -> dict[str, Any]:
        """A backup that succeeds, as its manifest has it."""
        ended = self.result("/backup")
        assert ended["state"] == "done", ended
        return dict(json.loads((self.volume / "bases" / ended["result"]["id"] / "manifest.json").read_text()))

    def restore(self, to: str) -> dict[str, Any]:
        """What was restored."""
        ended = self.result("/restore", {"to": to})
        assert ended["state"] == "done", ended
        return dict(ended["result"])

    def refusal(self, to: str) -> str:
        """Why nothing was restored."""
        ended = self.result("/restore", {"to": to})
        assert ended["state"] == "failed", ended
        return str(ended["said"])

    def first_backup(self) -> None:
        """Wait for the backup that is made by itself, and for everything that it waits for."""
        wait_for("the first backup counts", lambda: self.ask("GET", "/status")["bases"], 90, self.said)

    def archived(self, gtid: str) -> None:
        """Wait until this transaction is in the archive."""
        wait_for(
            f"{gtid} is archived",
            lambda: gtid in [a["to"] for a in self.ask("GET", "/status")["archives"].values()],
            log=self.said,
        )

    def covers(self, until: str) -> None:
        """Wait until everything up to this time is in the archive."""
        wait_for(
            "the archive goes on",
            lambda: max(a["covered"] for a in self.ask("GET", "/status")["archives"].values()) >= until,
            log=self.said,
        )

    def metric(self, name: str) -> float:
        """A figure, with its labels as Prometheus writes them; -1 if there is none."""
        connection = http.client.HTTPConnection(LOOPBACK, self.metrics_port, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else -1

    def fetch(self, restored: str, target: Path) -> list[str]:
        """Fetch restored data as a server does; the names of what came."""
        fetch(f"{self.address}:8081", restored, ACCOUNT, target, lambda: None)
        return sorted(entry.name for entry in target.iterdir())

    def said(self) -> str:
        """What it has logged."""
        return (self.folder / "keeper.log").read_text(errors="replace")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        with suppress(BrokenOff):
            return bool(self.ask("GET", "/status"))
        return False

    def _begun(self, path: str, body: Any) -> dict[str, Any] | None:
        with suppress(Refused):
            return self.ask("POST", path, body)
        return None

    def _ended(self, number: int) -> dict[str, Any] | None:
        task = self.ask("GET", f"/tasks/{number}")
        return task if task["state"] != "running" else None


@contextmanager
def backups(count: int = 1) -> Iterator[tuple[list[Node], Keeper]]:
    """Servers, of which only the first has data and runs, and the program that keeps their backups, which does not run yet."""
    if lacking := [*(p for p in NEEDED if not shutil.which(p, path=PATH)), *([] if Path(PROVIDER).exists() else [PROVIDER])]:
        absent(f"not installed: {', '.join(lacking)} (Debian: mariadb-server galera-4 mariadb-backup socat lsof zstd openssl)")
    with tempfile.TemporaryDirectory(prefix="stackloom-backups-") as directory:
        folder = Path(directory)
        folder.chmod(0o755)
        config, mounted = folder / "galera.cnf", folder / "secrets"
        config.write_text(OPTIONS.format(provider=PROVIDER))
        for name, user in {"admin": "root", "sst": "sst", "monitor": "monitor"}.items():
            (mounted / f"mariadb-{name}").mkdir(parents=True)
            (mounted / f"mariadb-{name}" / "username").write_text(user)
            (mounted / f"mariadb-{name}" / "password").write_text(PASSWORD)
        addresses = free_addresses(count + 1)
        nodes = [Node(i, address, folder / f"node-{i}", config, mounted) for i, address in enumerate(addresses[:-1])]
        keeper = Keeper(folder, addresses[-1], nodes)
        try:
            nodes[0].install()
            nodes[0].start()
            yield nodes, keeper
        finally:
            keeper.kill()
            for node in nodes:
                node.close()


def free_addresses(count: int) -> list[str]:
    while True:
        network = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}"
        addresses = [f"{network}.{10 + i}" for i in range(count)]
        try:
            for address in addresses:
                for port in (3306, 4444, 4567, 4568, 8081):
                    socket.create_server((address, port)).close()
        except OSError:
            continue
        return addresses
