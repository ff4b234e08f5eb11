"""A Galera cluster for a test: three servers on loopback, each run by our program as its Pod would, with the options and the
rights of the output, coordinated through a real Kubernetes API.

A server's address is one of 127/8 of its own, so all of them listen on the ports that they have in a cluster.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pymysql

from tests.real.cluster import Cluster
from tests.real.galera_server import AGENT_PORT, PATIENCE_SECONDS, SQL_PORT, Connection, Server, tied, wait_for
from tests.real.galera_writer import Writer
from tests.real.mariadb_output import CONTROLLER, SERVERS, account, output
from tests.real.parts import absent
from tests.real.programs.running import Programs

__all__ = ["COUNT", "PATIENCE_SECONDS", "GaleraCluster", "Server", "Writer", "galera_cluster", "wait_for"]

sys.path.insert(0, str(Path(__file__).parents[2] / "core" / "stackloom" / "programs"))

COUNT = 3
PORTS = (SQL_PORT, 4444, 4567, 4568, AGENT_PORT)
PROVIDER = "/usr/lib/galera/libgalera_smm.so"
STATE = "mariadb-state"
ACCOUNTS = {"admin": "root", "sst": "sst", "monitor": "monitor"}
_SHIPPED = "/opt/stackloom/programs/"


def _lacking() -> list[str]:
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
    programs = ("mariadbd", "mariadb-install-db", "mariadb-backup", "rsync", "socat", "lsof", "setpriv")
    return [*(p for p in programs if not shutil.which(p, path=path)), *([] if Path(PROVIDER).exists() else [PROVIDER])]


class GaleraCluster:
    """Three servers, none of which runs yet, and a controller's loop that coordinates them."""

    def __init__(self, folder: Path, api: Cluster, namespace: str, sst: str) -> None:
        if lacking := _lacking():
            absent(
                f"no Galera: {', '.join(lacking)} not installed (Debian: mariadb-server galera-4 mariadb-backup rsync socat lsof)"
            )
        self.folder, self.api, self.namespace, self.sst = folder, api, namespace, sst
        self.output = output(folder / "output", COUNT)
        self.backup = ""
        self.password = f"{random.getrandbits(64):x}"
        self.servers = [Server(self, i, ip, folder / f"node-{i}") for i, ip in enumerate(_addresses())]
        self._python = shutil.which("python3", path="/usr/bin") or sys.executable
        self.command = self._programs().command("mariadb_server", python=self._python)
        self._mount_secrets()
        api.apply([*account(self.output, SERVERS, namespace), *account(self.output, CONTROLLER, namespace)])
        self._mounted = api.mount(namespace, SERVERS, folder / "account")
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._coordinate, daemon=True)
        self.outcomes: list[Any] = []

    def _programs(self) -> Programs:
        directory = self.folder / "programs"
        directory.mkdir()
        shutil.copytree(Path(pymysql.__file__).parent, directory / "pymysql")  # the published image has it
        return Programs(directory)

    def _mount_secrets(self) -> None:
        for name, user in ACCOUNTS.items():
            directory = self.folder / "secrets" / f"mariadb-{name}"
            directory.mkdir(parents=True)
            (directory / "username").write_text(user)
            (directory / "password").write_text(self.password)

    def environment(self, server: Server) -> dict[str, str]:
        """What the Pod's containers would be given."""
        config = self.folder / f"{server.name}.cnf"
        config.write_text(self.output.options(server.ip, self.sst))
        return {
            **self._mounted,
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "POD_NAME": server.name,
            "POD_UID": server.uid,
            "POD_IP": server.ip,
            "MARIADB_PEERS": ",".join(other.ip for other in self.servers),
            "MARIADB_BACKUP": self.backup,
            "MARIADB_CONFIG": str(config),
            "MARIADB_VOLUME": str(server.root / "volume"),
            "MARIADB_RUN": str(server.root / "run"),
            "MARIADB_SECRETS": str(self.folder / "secrets"),
            "AGENT_HOST": server.ip,
            "STOP_SECONDS": "20",
        }

    def run_before_stop(self, server: Server) -> None:
        """Run what the output has the kubelet run before it stops the container of a Pod that was deleted."""
        command: list[str] = self.output.server_container()["lifecycle"]["preStop"]["exec"]["command"]
        if (program := command[-1].removeprefix(_SHIPPED)) != command[-1]:
            command = Programs(self.folder / "programs").command(program.removesuffix(".py"), python=self._python)
        with (server.root / "log").open("ab") as log:
            subprocess.run([*tied(), *command], env=self.environment(server), stdout=log, stderr=log, check=False)

    def _coordinate(self) -> None:
        from kube import ApiError, Kube
        from mariadb_election import coordinate

        self.api.mount(self.namespace, CONTROLLER, self.folder / "controller")
        api = Kube(host=self.api.host, port=self.api.port, namespace=self.namespace, directory=str(self.folder / "controller"))
        while not self._end.wait(0.5):
            with suppress(ApiError):
                outcome = coordinate(api, COUNT, alive=[s.name for s in self.servers if s.is_primary()])
                if not self.outcomes or self.outcomes[-1] != outcome:
                    self.outcomes.append(outcome)

    def refusal(self) -> str:
        """Why nobody is to start, as the last round of the coordination saw it; "" if somebody is."""
        return getattr(self.outcomes[-1], "reason", "") if self.outcomes else ""

    def config_map(self) -> dict[str, Any]:
        """The state as the API has it."""
        return self.api.request("GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{STATE}").object

    def state(self) -> dict[str, Any]:
        """The values of the state, read."""
        return {key: json.loads(value) for key, value in (self.config_map().get("data") or {}).items()}

    def force(self, server: Server) -> None:
        """The order of a human."""
        body = {"metadata": {"annotations": {"stackloom.io/force-bootstrap": server.name}}}
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{STATE}"
        assert self.api.request("PATCH", path, body, content_type="application/merge-patch+json").status == 200

    def start(self, *servers: Server) -> None:
        """Start these together (all, if none is named)."""
        for server in servers or self.servers:
            server.start()

    def wait_until_ready(self, *servers: Server, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until these are ready (all, if none is named). How long that took, in seconds."""
        began = time.monotonic()
        chosen = servers or tuple(self.servers)
        wait_for("servers are ready", lambda: all(server.is_ready() for server in chosen), seconds, self.said)
        return time.monotonic() - began

    def crash(self, *servers: Server) -> None:
        """Kill these at once."""
        threads = [threading.Thread(target=server.crash) for server in servers or self.servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def prepare(self) -> None:
        """Coordinate and start all, and make the table that writers write."""
        self.coordinate()
        self.start()
        self.wait_until_ready()
        self.make_table()

    def coordinate(self) -> None:
        """Say from now on which server starts the cluster, as the controller does."""
        self._thread.start()

    def make_table(self) -> None:
        """Make the table that writers write."""
        self.servers[0].sql("CREATE DATABASE tests")
        self.servers[0].sql("CREATE TABLE tests.acknowledged (id BIGINT PRIMARY KEY, text VARCHAR(64))")

    def open(self) -> Connection | None:
        """A connection to the first server that is ready."""
        ready = next((server for server in self.servers if server.is_ready()), None)
        return ready.connect(timeout=2.0) if ready else None

    def check(self, acknowledged: Sequence[int]) -> None:
        """AssertionError unless every server has every confirmed row, and the same as the others."""
        self.wait_until_ready()
        try:
            self._check(acknowledged)
        except pymysql.MySQLError as error:
            raise AssertionError(f"a server that was ready does not answer: {error}\n{self.said()}") from error

    def _check(self, acknowledged: Sequence[int]) -> None:
        wait_for(
            "all have applied the same",
            lambda: len({s.sql("SHOW STATUS LIKE 'wsrep_last_committed'")[0] for s in self.servers}) == 1,
        )
        checksums = {server.name: server.sql("CHECKSUM TABLE tests.acknowledged")[0][1] for server in self.servers}
        for server in self.servers:
            rows = {row[0] for row in server.sql("SELECT id FROM tests.acknowledged")}
            lost = set(acknowledged) - rows
            assert not lost, f"{server.name} lacks {len(lost)} of {len(acknowledged)} confirmed rows:\n{self.said()}"
        assert len(set(checksums.values())) == 1, checksums

    def said(self) -> str:
        """What the state is, and what each server logged last."""
        tails = (f"--- {server.name}\n" + "\n".join(server.said().splitlines()[-25:]) for server in self.servers)
        return "\n".join([json.dumps(self.state(), indent=1), *map(str, self.outcomes[-5:]), *tails])

    def stop(self) -> None:
        """End everything."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        self.crash()


def _addresses() -> list[str]:
    """Addresses of loopback on whose ports nobody listens."""
    while True:
        network = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}"
        addresses = [f"{network}.{10 + i}" for i in range(COUNT)]
        try:
            for address in addresses:
                for port in PORTS:
                    socket.create_server((address, port)).close()
        except OSError:
            continue
        return addresses


@contextmanager
def galera_cluster(api: Cluster, namespace: str, *, sst: str = "rsync") -> Iterator[GaleraCluster]:
    """Three servers that are gone when the context ends, with everything that they wrote."""
    # Not below a directory of pytest's: the servers run as another user, who may not look there.
    with tempfile.TemporaryDirectory(prefix="stackloom-galera-") as directory:
        folder = Path(directory)
        folder.chmod(0o755)
        cluster = GaleraCluster(folder, api, namespace, sst)
        try:
            yield cluster
        finally:
            cluster.stop()
