"""What a MariaDB server tells about itself over HTTP: to its probes, to the other servers, and to the controller.

``GET /state`` is everything at once, in JSON; ``/healthz`` and ``/readyz`` answer 200 or 503 with the reason. ``POST /demoted``
ends the connections of all clients and refuses new ones for a second, so that pools connect anew to where the Service points now.
What backups read is in mariadb_stream.py.

The server is asked for its state in the background over a connection that is kept, so an answer costs nothing and never hangs.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import pymysql

PERIOD_SECONDS = 0.5
STALE_SECONDS = 4.0
SQL_SECONDS = 2
CUT_SECONDS = 1.0
HANGS_SECONDS = 60.0
"""How long MariaDB, or the program that runs it, may be silent before the kubelet is asked to start them anew."""

SYNCED, DONOR = 4, 2
STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_local_state', 'wsrep_ready', "
    "'wsrep_cluster_state_uuid', 'wsrep_last_committed', 'wsrep_cluster_size')"
)
MEMBERS = "SELECT NAME FROM information_schema.WSREP_MEMBERSHIP ORDER BY NAME"

Phase = Literal["starting", "waiting", "recovering", "joining", "running", "stopping"]
Connect = Callable[[], "pymysql.Connection[pymysql.cursors.Cursor]"]


@dataclass(frozen=True, kw_only=True)
class Wsrep:
    """Galera as the server sees it. ``blocking_donor`` says that its way of copying data stops it while it gives them."""

    cluster_status: str
    local_state: int
    ready: bool
    cluster_uuid: str
    last_committed: int
    size: int
    members: tuple[str, ...]
    blocking_donor: bool

    @property
    def primary(self) -> bool:
        """Whether it belongs to the part of the cluster that has the majority."""
        return self.cluster_status == "Primary"

    @property
    def serves(self) -> bool:
        """Whether clients can work with it. A donor can, unless it is blocked."""
        return (
            self.ready
            and self.primary
            and (self.local_state == SYNCED or (self.local_state == DONOR and not self.blocking_donor))
        )


@dataclass
class Status:
    """What the program that runs MariaDB is doing. It writes, the agent reads."""

    phase: Phase = "starting"
    report: Mapping[str, Any] | None = None
    registered: bool = False
    beat: float = field(default_factory=time.monotonic)


class Monitor:
    """Asks MariaDB for its state, over one connection that it opens anew when it must."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._connection: pymysql.Connection[pymysql.cursors.Cursor] | None = None
        self._blocking_donor = True
        self._seen: tuple[float, Wsrep | None] = (time.monotonic(), None)

    @property
    def wsrep(self) -> Wsrep | None:
        """What MariaDB said last: None when it does not answer."""
        at, seen = self._seen
        return seen if time.monotonic() - at < STALE_SECONDS else None

    @property
    def silent_seconds(self) -> float:
        """How long it has not answered."""
        return time.monotonic() - self._seen[0]

    def forget(self) -> None:
        """MariaDB has stopped: what it said is void, and its silence begins now."""
        self._seen = (time.monotonic(), None)  # at once, even if somebody still waits for its answer
        with self._lock:
            self._close()
            self._seen = (time.monotonic(), None)

    def look(self) -> None:
        """Ask once."""
        with self._lock:
            try:
                self._seen = (time.monotonic(), self._read())
            except (pymysql.MySQLError, OSError):
                self._close()
                at, _ = self._seen
                self._seen = (at, None)

    def follow(self) -> None:
        """Ask for ever."""
        while True:
            self.look()
            time.sleep(PERIOD_SECONDS)

    def cut_clients(self) -> None:
        """End the connections of all clients, and refuse new ones for CUT_SECONDS. Raises pymysql.MySQLError, OSError.

        All of it is done over one connection, as no other would be let in to undo it.
        """
        with self._lock:
            cursor = self._cursor()
            cursor.execute("SET GLOBAL wsrep_reject_queries = ALL_KILL")
            try:
                time.sleep(CUT_SECONDS)
            finally:
                cursor.execute("SET GLOBAL wsrep_reject_queries = NONE")

    def _read(self) -> Wsrep:
        cursor = self._cursor()
        cursor.execute(STATUS)
        said = {str(name): str(value) for name, value in cursor.fetchall()}
        cursor.execute(MEMBERS)
        members = tuple(str(name) for (name,) in cursor.fetchall())
        return Wsrep(
            cluster_status=said["wsrep_cluster_status"],
            local_state=int(said["wsrep_local_state"]),
            ready=said["wsrep_ready"] == "ON",
            cluster_uuid=said["wsrep_cluster_state_uuid"],
            last_committed=int(said["wsrep_last_committed"]),
            size=int(said["wsrep_cluster_size"]),
            members=members,
            blocking_donor=self._blocking_donor,
        )

    def _cursor(self) -> pymysql.cursors.Cursor:
        if self._connection is None:
            self._connection = self._connect()
            cursor = self._connection.cursor()
            cursor.execute("SET SESSION wsrep_sync_wait = 0, SESSION wsrep_dirty_reads = ON, SESSION wait_timeout = 86400")
            cursor.execute("SELECT @@wsrep_sst_method")
            self._blocking_donor = cursor.fetchone() != ("mariabackup",)
        return self._connection.cursor()

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(pymysql.MySQLError, OSError):
                self._connection.close()
            self._connection = None


class Agent:
    """The HTTP server of one MariaDB server.

    ``identity`` is its Pod's name and uid. ``more`` is asked first, and says whether it has answered.
    """

    def __init__(
        self, identity: tuple[str, str], status: Status, monitor: Monitor, more: Callable[[BaseHTTPRequestHandler], bool]
    ) -> None:
        self._pod, self._uid = identity
        self._more = more
        self._status = status
        self._monitor = monitor

    def unready(self) -> str:
        """Why clients cannot work with the server; "" if they can."""
        wsrep = self._monitor.wsrep
        if self._status.phase != "running":
            return f"{self._status.phase}"
        if wsrep is None:
            return "MariaDB does not answer"
        if not wsrep.serves:
            return f"{wsrep.cluster_status}, state {wsrep.local_state}"
        return "" if self._status.registered else "not registered as a member yet"

    def unhealthy(self) -> str:
        """Why the container must start anew; "" if it need not. Waiting, recovering and copying take as long as they take."""
        if time.monotonic() - self._status.beat > HANGS_SECONDS:
            return "the program that runs MariaDB hangs"
        if self._status.phase == "running" and self._monitor.silent_seconds > HANGS_SECONDS:
            return "MariaDB does not answer"
        return ""

    def state(self) -> dict[str, Any]:
        """All that is known, as ``/state`` gives it."""
        wsrep = self._monitor.wsrep
        return {
            "pod": self._pod,
            "uid": self._uid,
            "phase": self._status.phase,
            "ready": not self.unready(),
            "wsrep": asdict(wsrep) if wsrep else None,
            "report": self._status.report,
        }

    def serve(self, host: str, port: int) -> None:
        """Listen, and answer in the background from now on."""
        agent = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                if agent._more(self):
                    return
                if self.path == "/state":
                    self._answer(HTTPStatus.OK, json.dumps(agent.state()))
                elif self.path in ("/healthz", "/readyz"):
                    problem = agent.unhealthy() if self.path == "/healthz" else agent.unready()
                    self._answer(HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK, json.dumps(problem or "ok"))
                else:
                    self._answer(HTTPStatus.NOT_FOUND, json.dumps("there are /state, /healthz, /readyz and /demoted"))

            def do_POST(self) -> None:
                if agent._more(self):
                    return None
                if self.path != "/demoted":
                    return self._answer(HTTPStatus.NOT_FOUND, json.dumps("only /demoted takes a POST"))
                try:
                    agent._monitor.cut_clients()
                except (pymysql.MySQLError, OSError) as error:
                    return self._answer(HTTPStatus.SERVICE_UNAVAILABLE, json.dumps(f"MariaDB does not answer: {error}"))
                return self._answer(HTTPStatus.OK, json.dumps("ok"))

            def _answer(self, status: HTTPStatus, text: str) -> None:
                body = text.encode() + b"\n"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # who asked has gone

        server = Server((host, port), Handler)
        threading.Thread(target=self._monitor.follow, daemon=True).start()
        threading.Thread(target=server.serve_forever, daemon=True).start()
