"""Run a MariaDB server that is part of a Galera cluster: ``mariadb_server.py``, the first process of its container.

It never starts MariaDB without knowing what the volume holds. Where the other servers form a cluster, it joins that. Where none
does, it reports what it has and waits to be told (see mariadb_election.py). When MariaDB ends, it begins again.

It needs PyMySQL and the programs of MariaDB, and reads from the environment:

- POD_NAME, POD_UID, POD_IP, and what kube.py reads;
- MARIADB_PEERS: the hosts of all servers, with commas between them;
- MARIADB_CONFIG (/etc/mysql/galera.cnf): the options that all servers have in common;
- MARIADB_VOLUME (/var/lib/mysql): the data are in ``data`` below it, beside marks of this program's own;
- MARIADB_RUN (/run/mysqld): for the socket and for the configuration with the options of this server;
- MARIADB_SECRETS (/etc/mysql/secrets): mariadb-admin, mariadb-sst and mariadb-monitor, with ``username`` and ``password`` each;
- AGENT_HOST ("": all addresses) and AGENT_PORT (8081): where the agent listens, and on which port those of the others do;
- STOP_SECONDS (100): how long MariaDB may take to stop before it is killed.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pymysql
from kube import CONFIG_MAPS, ApiError, Conflict, Kube, NotFound, Unavailable
from mariadb_agent import Agent, Monitor, Status, Wsrep
from mariadb_election import STATE, Report, State, is_told, ordinal
from mariadb_options import Settings, accounts, options, write_private
from mariadb_volume import SAVED, Position, Volume, mark, recovered, sync, unmark
from program import Failure, run, say

PAUSE_SECONDS = 0.5
PEER_SECONDS = 1.0
STALLED_SECONDS = 5.0
TURN_SECONDS = 600.0
IMPATIENT_STOP_SECONDS = 3.0
LONGEST_PAUSE_SECONDS = 30.0

Action = Literal["join", "new", "bootstrap", "forced"]


class Stopping(Exception):
    """The container is to end."""


class Peers:
    """The agents of all servers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(len(settings.peers))

    def ask(self) -> dict[str, dict[str, Any]]:
        """What the other servers that answer say, by their hosts."""
        answers = zip(self._settings.peers, self._pool.map(self._ask, self._settings.peers), strict=True)
        return {host: said for host, said in answers if said and said["pod"] != self._settings.pod}

    def _ask(self, host: str) -> dict[str, Any] | None:
        connection = http.client.HTTPConnection(host, self._settings.agent_port, timeout=PEER_SECONDS)
        try:
            connection.request("GET", "/state")
            said = json.loads(connection.getresponse().read())
            return said if isinstance(said, dict) and "pod" in said else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


def serving(others: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts of those that are part of a cluster with a majority."""
    return [
        host
        for host, said in others.items()
        if said["wsrep"] and said["wsrep"]["cluster_status"] == "Primary" and said["wsrep"]["local_state"] in (2, 3, 4)
    ]


def is_its_turn(pod: str, others: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether no other joins, and none waits that comes first: several that copy from one donor at once take longer."""
    phases = {said["pod"]: said["phase"] for said in others.values()}
    ahead = (phase == "waiting" and ordinal(other) < ordinal(pod) for other, phase in phases.items())
    return "joining" not in phases.values() and not any(ahead)


class Server:
    """One MariaDB server, from what its volume holds to its end, again and again."""

    def __init__(self, settings: Settings, api: Kube) -> None:
        self.settings = settings
        self.api = api
        self.volume = Volume(settings.volume)
        self.status = Status(registered=self.volume.member.exists())
        self.monitor = Monitor(self._connect)
        self.peers = Peers(settings)
        self.stopping = threading.Event()
        self._said = ""

    def run(self) -> None:
        """Keep MariaDB running until the container is to end."""
        signal.signal(signal.SIGTERM, lambda *_: self.stopping.set())
        Agent((self.settings.pod, self.settings.uid), self.status, self.monitor).serve(
            self.settings.agent_host, self.settings.agent_port
        )
        failures = 0
        while True:
            try:
                reached = self.once()
                failures = 0 if reached else failures + 1
            except Stopping:
                return
            except Failure as failure:
                failures += 1
                self.note(f"trying again: {failure}")
            with suppress(Stopping):
                self.pause(min(PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS) if failures else 0)

    def once(self) -> bool:
        """From the volume's position to MariaDB's end. Returns whether it was part of the cluster. Raises Stopping, Failure."""
        self.status.phase = "starting"
        self._write_options()
        position = self._position()
        action, hosts = self._settle(position)
        say(f"{action}: {position.kind} {position.start or position.uuid}".rstrip())
        self.status.phase = "joining"
        self._prepare(action, position)
        self._write_options(hosts)
        arguments = ["--wsrep-new-cluster"] if action != "join" else []
        if action in ("join", "bootstrap") and position.start:
            arguments.append(f"--wsrep_start_position={position.start}")
        return self._supervise(self._start(*arguments))

    def _position(self) -> Position:
        """What the volume holds; MariaDB itself says up to where, after a crash."""
        position = self.volume.position()
        if position.kind == "crashed":
            self.status.phase = "recovering"
            try:
                position = recovered(position, self._run(self._mariadbd("--wsrep-recover")))
            except Failure as failure:
                say(f"the data cannot be recovered: {failure}")
                position = Position("unknown")
        return position

    def _settle(self, position: Position) -> tuple[Action, list[str]]:
        """What to do, and with whom; waits until that is clear. When it returns, no report of this server stands."""
        report: Report | None = None
        since = time.monotonic()
        while True:
            others = self.peers.ask()
            try:
                if hosts := serving(others):
                    if is_its_turn(self.settings.pod, others) or time.monotonic() - since > TURN_SECONDS:
                        self._withdraw(position)
                        return "join", hosts
                    self.note("waiting for another server to join first")
                else:
                    state = self._state()
                    if report is None or state.reports.get(self.settings.pod) != report:
                        report = self._publish(position, state)
                    elif state.decision and is_told(report, state.decision):
                        self._delete_report(state.version)
                        return state.decision.mode, []
                    self.note(f"waiting for a cluster or a decision; {position.kind} {position.start or position.uuid}".rstrip())
            except Conflict:
                pass  # others write to the same object: read it again
            except ApiError as error:
                self.note(f"trying again: {error}")
            self.status.phase = "waiting"
            self.pause(PAUSE_SECONDS)

    def _state(self) -> State:
        """What the ConfigMap says; made here if nobody has needed it before."""
        try:
            return State.read(self.api.get(CONFIG_MAPS, STATE))
        except NotFound:
            return State.read(self.api.create(CONFIG_MAPS, {"metadata": {"name": STATE}}))

    def _publish(self, position: Position, state: State) -> Report:
        mark(self.volume.reported)
        report = Report(
            pod=self.settings.pod,
            uid=self.settings.uid,
            position=position,
            epoch=state.decision.epoch if state.decision else 0,
            time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
        body = {"metadata": {"resourceVersion": state.version}, "data": {f"report.{report.pod}": json.dumps(report.as_json())}}
        self.api.patch(CONFIG_MAPS, STATE, body)
        self.status.report = report.as_json()
        return report

    def _withdraw(self, position: Position) -> None:
        """Delete this server's report, as MariaDB is about to start.

        Without the API it may start only if there is certainly none, which a volume with data of its own can tell.
        """
        try:
            self._delete_report()
        except NotFound:
            unmark(self.volume.reported)
        except Unavailable:
            if self.volume.reported.exists() or position.kind not in ("clean", "crashed"):
                raise

    def _delete_report(self, version: str | None = None) -> None:
        """Delete the report; Conflict if the ConfigMap is not of this ``version`` any more, so another decision may hold."""
        metadata = {"metadata": {"resourceVersion": version}} if version else {}
        self.api.patch(CONFIG_MAPS, STATE, {**metadata, "data": {f"report.{self.settings.pod}": None}})
        self.status.report = None
        unmark(self.volume.reported)

    def _prepare(self, action: Action, position: Position) -> None:
        """Bring the volume to what MariaDB needs for it."""
        if action == "join" and position.kind not in ("clean", "crashed"):
            mark(self.volume.receiving)
            self.volume.data.mkdir(exist_ok=True)
            (self.volume.data / SAVED).unlink(missing_ok=True)  # or Galera could take the data for good
        if action == "new":
            self._install()
        if action == "bootstrap":
            self.volume.save(self.volume.data, position.uuid, position.seqno)
        if action == "forced":
            self.volume.save(self.volume.data, str(uuid.uuid4()), 0)

    def _install(self) -> None:
        """Make new data with the accounts in them. They appear in their place as a whole."""
        fresh = self.volume.fresh
        shutil.rmtree(fresh, ignore_errors=True)
        sql = self.settings.run / "accounts.sql"
        write_private(sql, accounts(self.settings))
        common = ["--no-defaults", f"--datadir={fresh}", f"--tmpdir={self.settings.run}"]
        self._run(
            ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db", f"--extra-file={sql}"]
        )
        sql.unlink()
        self.volume.save(fresh, str(uuid.uuid4()), 0)
        fresh.rename(self.volume.data)
        sync(self.settings.volume)

    def _supervise(self, process: subprocess.Popen[bytes]) -> bool:
        """Watch MariaDB until it ends. Returns whether it was part of the cluster. Raises Stopping."""
        joined, registered, primary_at = False, False, time.monotonic()
        try:
            while process.poll() is None:
                wsrep = self.monitor.wsrep
                if wsrep is None or wsrep.primary:
                    primary_at = time.monotonic()
                if not joined and wsrep and wsrep.ready and wsrep.primary and wsrep.local_state == 4:
                    joined, self.status.phase = True, "running"
                    unmark(self.volume.receiving)
                    say(f"joined: {wsrep.cluster_uuid}, {wsrep.size} servers: {', '.join(wsrep.members)}")
                if joined and not registered and wsrep:
                    registered = self._register(wsrep)
                if time.monotonic() - primary_at > STALLED_SECONDS and self._is_waited_for():
                    say("stopping MariaDB: it has no majority, and others wait for its report")
                    self._stop(process, IMPATIENT_STOP_SECONDS)
                self.pause(PAUSE_SECONDS)
        except Stopping:
            patient = joined and self.monitor.wsrep is not None and self.monitor.wsrep.primary
            self.status.phase = "stopping"
            self._stop(process, self.settings.stop_seconds if patient else IMPATIENT_STOP_SECONDS)
            raise
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what copied data for it
            self.monitor.forget()
        say(f"MariaDB ended with {process.returncode}")
        return joined

    def _register(self, wsrep: Wsrep) -> bool:
        """Note that this server's volume counts from now on. Clients are let in only then, at least the first time."""
        member = {"uuid": wsrep.cluster_uuid, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        try:
            self._state()
            self.api.patch(CONFIG_MAPS, STATE, {"data": {f"member.{self.settings.pod}": json.dumps(member)}})
        except ApiError as error:
            self.note(f"trying again: {error}")
            return False
        mark(self.volume.member)
        self.status.registered = True
        return True

    def _is_waited_for(self) -> bool:
        """Whether a server has reported that it is stopped, or a human wants to start from this one: then it must report, too."""
        with suppress(ApiError):
            state = self._state()
            return state.force == self.settings.pod or bool(set(state.reports) - {self.settings.pod})
        return False

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        # In a session of its own, so that what it starts to copy data can be ended with it.
        return subprocess.Popen(self._mariadbd(*arguments), stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603

    def _stop(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """Ask MariaDB to end, and kill it when it has not after so long. It loses nothing that was confirmed."""
        process.terminate()
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            self._beat()
            time.sleep(0.1)
        if process.poll() is None:
            say(f"killing MariaDB, which has not ended within {seconds:g} seconds")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _mariadbd(self, *arguments: str) -> list[str]:
        return ["mariadbd", f"--defaults-file={self.settings.run / 'mariadbd.cnf'}", *arguments]

    def _run(self, command: Sequence[str]) -> str:
        """What a command says that takes its time. Raises Failure when it fails, Stopping when the container is to end."""
        log = self.settings.run / f"{Path(command[0]).name}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
            )
        try:
            while process.poll() is None:
                self.pause(0.05)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        text = log.read_text(encoding="utf-8", errors="replace")
        if process.returncode != 0:
            last = "; ".join(text.strip().splitlines()[-3:])
            raise Failure(f"{command[0]} ended with {process.returncode}: {last}")
        return text

    def _write_options(self, first: Sequence[str] = ()) -> None:
        write_private(self.settings.run / "mariadbd.cnf", options(self.settings, first))

    def _connect(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        user, password = self.settings.account("mariadb-admin")
        return pymysql.connect(
            unix_socket=str(self.settings.run / "mysqld.sock"),
            user=user,
            password=password,
            connect_timeout=2,
            read_timeout=2,
            write_timeout=2,
            autocommit=True,
        )

    def pause(self, seconds: float) -> None:
        """Sleep, unless the container is to end: then raise Stopping."""
        self._beat()
        if self.stopping.wait(seconds):
            raise Stopping

    def note(self, text: str) -> None:
        """Log a state of things when it is another than before."""
        if text != self._said:
            self._said = text
            say(text)

    def _beat(self) -> None:
        self.status.beat = time.monotonic()


def main(_arguments: list[str]) -> None:
    """Run the server that the environment describes."""
    Server(Settings.read(os.environ), Kube.in_cluster()).run()


if __name__ == "__main__":
    run(main)
