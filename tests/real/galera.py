"""A Galera cluster for a test: three servers on loopback, each run by our program as its Pod would, coordinated through a
real Kubernetes API, with faults to strike them and a writer that remembers what was confirmed to it.

A server's address is one of 127/8 of its own, so all of them listen on the ports that they have in a cluster.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pymysql

from tests.real.cluster import Cluster
from tests.real.parts import absent
from tests.real.programs.cluster import account, rule
from tests.real.programs.running import Programs

sys.path.insert(0, str(Path(__file__).parents[2] / "core" / "stackloom" / "programs"))

COUNT = 3
PORTS = (3306, 4444, 4567, 4568, 8081)
PROVIDER = "/usr/lib/galera/libgalera_smm.so"
STATE = "mariadb-state"
PATIENCE_SECONDS = 60.0
ACCOUNTS = {"admin": "root", "sst": "sst", "monitor": "monitor"}
OPTIONS = """\
[mariadbd]
bind_address = {ip}
port = 3306
skip_name_resolve
binlog_format = ROW
default_storage_engine = InnoDB
innodb_autoinc_lock_mode = 2
innodb_flush_log_at_trx_commit = 1
innodb_buffer_pool_size = 64M
innodb_log_file_size = 48M
performance_schema = OFF
log_bin = binlog
log_slave_updates
sync_binlog = 1
server_id = 1
wsrep_gtid_mode = ON
wsrep_gtid_domain_id = 100
wsrep_on = ON
wsrep_provider = {provider}
wsrep_cluster_name = tests
wsrep_slave_threads = 4
wsrep_sst_method = {sst}
wsrep_sst_receive_address = {ip}:4444
wsrep_provider_options = "{provider_options}"
"""
TIMERS = (
    "evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.install_timeout=PT4S;"
    "evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.25S;"
    "pc.recovery=no;pc.wait_prim_timeout=PT10S;gcache.size=64M;gcache.recover=yes"
)


def wait_for(what: str, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS, log: Callable[[], str] = str) -> Any:
    """What ``condition`` gives once that is true. AssertionError with the log when it does not become so."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}, in vain for {seconds} s:\n{log()}"
        time.sleep(0.05)
    return found


def _lacking() -> list[str]:
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
    programs = ("mariadbd", "mariadb-install-db", "mariadb-backup", "rsync", "socat", "lsof")
    return [*(p for p in programs if not shutil.which(p, path=path)), *([] if Path(PROVIDER).exists() else [PROVIDER])]


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

    def start(self) -> None:
        """Start the container of a new Pod."""
        self.uid = f"{self.name}-{random.getrandbits(64):x}"
        self.resume()

    def resume(self) -> None:
        """Start the container of the same Pod again."""
        assert self.process is None, f"{self.name} runs already"
        for directory in ("volume", "run"):
            (self.root / directory).mkdir(parents=True, exist_ok=True)
            shutil.chown(self.root / directory, **self.cluster.owner)
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.cluster.command,
                env=self.cluster.environment(self),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.cluster.identity,
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

    def ask(self, path: str = "/state", method: str = "GET") -> tuple[int, Any]:
        """The agent's answer: status and body; (0, None) if it does not answer."""
        connection = http.client.HTTPConnection(self.ip, 8081, timeout=3)
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

    def connect(self, user: str = "root", timeout: float = 10.0) -> pymysql.Connection[pymysql.cursors.Cursor]:
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


@dataclass
class Writer:
    """Writes one row after another to a server that is ready, and remembers which were confirmed, and when.

    It stays with a server as long as that works, as clients do with the one that the Service points to.
    """

    cluster: GaleraCluster
    acknowledged: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def _write(self) -> None:
        connection = None
        while not self._end.is_set():
            number = random.getrandbits(62)
            try:
                if connection is None:
                    ready = [server for server in self.cluster.servers if server.is_ready()]
                    if not ready:
                        self._end.wait(0.05)
                        continue
                    connection = ready[0].connect(timeout=2.0)
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO tests.acknowledged VALUES (%s, %s)", (number, str(number)))
                self.acknowledged.append(number)
                self.times.append(time.monotonic())
            except (pymysql.MySQLError, OSError):
                if connection is not None:
                    with suppress(pymysql.MySQLError, OSError):
                        connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def __enter__(self) -> Writer:
        self._end.clear()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        assert self._thread is not None
        self._thread.join(timeout=15)

    def rows(self, count: int = 20) -> None:
        """Wait until so many more rows are confirmed."""
        wanted = len(self.acknowledged) + count
        wait_for("rows are confirmed", lambda: len(self.acknowledged) >= wanted, log=self.cluster.said)

    def pause_after(self, moment: float) -> float:
        """The longest time without a confirmation since ``moment``."""
        times = [moment, *(t for t in list(self.times) if t > moment)]
        return max(later - earlier for earlier, later in pairwise(times))


class GaleraCluster:
    """Three servers, none of which runs yet, and a controller's loop that coordinates them."""

    def __init__(self, folder: Path, api: Cluster, namespace: str, sst: str) -> None:
        if lacking := _lacking():
            absent(
                f"no Galera: {', '.join(lacking)} not installed (Debian: mariadb-server galera-4 mariadb-backup rsync socat lsof)"
            )
        self.folder, self.api, self.namespace, self.sst = folder, api, namespace, sst
        self.password = f"{random.getrandbits(64):x}"
        self.servers = [Server(self, i, ip, folder / f"node-{i}") for i, ip in enumerate(_addresses())]
        self.command = self._programs()
        self._mount_secrets()
        self._rights()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._coordinate, daemon=True)
        self.outcomes: list[Any] = []

    @property
    def owner(self) -> dict[str, str]:
        """Whose the files are: MariaDB and rsync do not want to run as root."""
        return {"user": "mysql", "group": "mysql"} if os.geteuid() == 0 else {}

    @property
    def identity(self) -> dict[str, Any]:
        """The same, as Popen takes it."""
        return {**self.owner, "extra_groups": []} if os.geteuid() == 0 else {}

    def _programs(self) -> list[str]:
        directory = self.folder / "programs"
        directory.mkdir()
        python = shutil.which("python3", path="/usr/bin") or sys.executable
        shutil.copytree(Path(pymysql.__file__).parent, directory / "pymysql")  # the published image has it
        return Programs(directory).command("mariadb_server", python=python)

    def _mount_secrets(self) -> None:
        for name, user in ACCOUNTS.items():
            directory = self.folder / "secrets" / f"mariadb-{name}"
            directory.mkdir(parents=True)
            (directory / "username").write_text(user)
            (directory / "password").write_text(self.password)

    def _rights(self) -> None:
        controller = [rule("configmaps", "get", "patch", names=(STATE,))]
        server = [rule("configmaps", "create"), *controller]
        self.api.apply([*account(self.namespace, "server", server), *account(self.namespace, "controller", controller)])
        self._mounted = self.api.mount(self.namespace, "server", self.folder / "account")
        self.api.mount(self.namespace, "controller", self.folder / "controller")

    def environment(self, server: Server) -> dict[str, str]:
        """What the Pod's containers would be given."""
        config = self.folder / f"{server.name}.cnf"
        options = f"gmcast.listen_addr=tcp://{server.ip}:4567;ist.recv_addr={server.ip}:4568;{TIMERS}"
        config.write_text(OPTIONS.format(ip=server.ip, sst=self.sst, provider=PROVIDER, provider_options=options))
        return {
            **self._mounted,
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "POD_NAME": server.name,
            "POD_UID": server.uid,
            "POD_IP": server.ip,
            "MARIADB_PEERS": ",".join(other.ip for other in self.servers),
            "MARIADB_CONFIG": str(config),
            "MARIADB_VOLUME": str(server.root / "volume"),
            "MARIADB_RUN": str(server.root / "run"),
            "MARIADB_SECRETS": str(self.folder / "secrets"),
            "AGENT_HOST": server.ip,
            "STOP_SECONDS": "20",
        }

    def _coordinate(self) -> None:
        from kube import ApiError, Kube
        from mariadb_election import coordinate

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
        """Start all, and make the table that writers write."""
        self._thread.start()
        self.start()
        self.wait_until_ready()
        self.servers[0].sql("CREATE DATABASE tests")
        self.servers[0].sql("CREATE TABLE tests.acknowledged (id BIGINT PRIMARY KEY, text VARCHAR(64))")

    def check(self, acknowledged: Sequence[int]) -> None:
        """AssertionError unless every server has every confirmed row, and the same as the others."""
        self.wait_until_ready()
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
