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
- MARIADB_BACKUP ("": there is none): host and port of the backup Pod, from which restored data are fetched when that is ordered;
- STOP_SECONDS (100): how long MariaDB may take to stop before it is killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pymysql
from kube import ApiError, Conflict, Kube
from mariadb_agent import Agent, Monitor, Status, Wsrep
from mariadb_fetch import fetch
from mariadb_options import Settings, accounts, client_options, options, write_private
from mariadb_peers import Peers, backups, is_its_turn, serving
from mariadb_process import Patience, Programs, Stopping, end
from mariadb_registry import Registry
from mariadb_reports import Decision, Report, is_told
from mariadb_stream import Streams
from mariadb_view import RECORDER, RECORDER_FILE
from mariadb_volume import SAVED, Position, Volume, mark, recovered, sync, unmark
from program import Failure, run, say

API_SECONDS = 3.0
ORDER_SECONDS = 5.0
PAUSE_SECONDS = 0.5
STALLED_SECONDS = 5.0
STUCK_SECONDS = 30.0
TURN_SECONDS = 600.0
IMPATIENT_STOP_SECONDS = 3.0
LONGEST_PAUSE_SECONDS = 30.0
NO_BACKUP = "the servers know of no backup Pod (MARIADB_BACKUP is empty)"


class Server:
    """One MariaDB server, from what its volume holds to its end, again and again."""

    def __init__(self, settings: Settings, api: Kube) -> None:
        self.settings = settings
        self.volume = Volume(settings.volume)
        self.api = replace(api, timeout=API_SECONDS)
        self.registry = Registry(settings, self.api, self.volume)
        self.status = Status(registered=self.volume.member.exists())
        self.monitor = Monitor(self._connect)
        self.peers = Peers(settings)
        self.patience = Patience(self._beat)
        self.programs = Programs(settings.run, self.patience)
        self._said = ""

    def run(self) -> None:
        """Keep MariaDB running until the container is to end."""
        self.patience.listen()
        identity, streams = (self.settings.pod, self.settings.uid), Streams(self.settings)
        Agent(identity, self.status, self.monitor, streams.answer).serve(self.settings.agent_host, self.settings.agent_port)
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
            if failures:
                with suppress(Stopping):
                    self.patience.pause(min(PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS))

    def once(self) -> bool:
        """From the volume's position to MariaDB's end. Returns whether it was part of the cluster. Raises Stopping, Failure."""
        self.status.phase = "starting"
        self.volume.undo_replacing()
        self._write_options()
        position = self._position()
        decision, hosts = self._settle(position)
        say(f"{decision.mode if decision else 'join'}: {position.kind} {position.start or position.uuid}".rstrip())
        self.status.phase = "joining"
        self._prepare(decision, position)
        self._write_options(list(hosts), backups(self.api, hosts.values()))
        arguments = ["--wsrep-new-cluster"] if decision else []
        if (decision is None or decision.mode == "bootstrap") and position.start:
            arguments.append(f"--wsrep_start_position={position.start}")
        return self._supervise(self.programs.start(*arguments, ended=self.monitor.forget))

    def _position(self) -> Position:
        """What the volume holds; MariaDB itself says up to where, after a crash."""
        position = self.volume.position()
        if position.kind == "crashed":
            self.status.phase = "recovering"
            try:
                position = recovered(position, self.programs.run(self.programs.mariadbd("--wsrep-recover")))
            except Failure as failure:
                say(f"the data cannot be recovered: {failure}")
                position = Position("unknown")
        return position

    def _settle(self, position: Position) -> tuple[Decision | None, dict[str, str]]:
        """The decision to carry out, or None and the hosts to join with their Pods; waits until there is either.

        When it returns, no report of this server stands.
        """
        report: Report | None = None
        since = time.monotonic()
        while True:
            others = self.peers.ask()
            try:
                if (hosts := serving(others)) and not self._must_be_restored():
                    if is_its_turn(self.settings.pod, others) or time.monotonic() - since > TURN_SECONDS:
                        self.registry.withdraw(position)
                        self.status.report = None
                        return None, hosts
                    self.note("waiting for another server to join first")
                else:
                    state = self.registry.state()
                    if report is None or state.reports.get(self.settings.pod) != report:
                        report = self.registry.publish(position, state)
                        self.status.report = report.as_json()
                    elif state.decision and is_told(report, state.decision):
                        self.registry.delete_report(state.version)
                        self.status.report = None
                        return state.decision, {}
                    self.note(f"waiting for a cluster or a decision; {position.kind} {position.start or position.uuid}".rstrip())
            except Conflict:
                pass  # others write to the same object: read it again
            except ApiError as error:
                self.note(f"trying again: {error}")
            self.status.phase = "waiting"
            self.patience.pause(PAUSE_SECONDS)

    def _prepare(self, decision: Decision | None, position: Position) -> None:
        """Bring the volume to what MariaDB needs for it."""
        if decision is None or decision.mode != "bootstrap":
            self.volume.set_view_aside(position)  # MariaDB writes another as soon as the data are those of the cluster
        if decision is None and position.kind not in ("clean", "crashed"):
            mark(self.volume.receiving)
            self.volume.data.mkdir(exist_ok=True)
            (self.volume.data / SAVED).unlink(missing_ok=True)  # or Galera could take the data for good
        if decision and decision.mode == "new":
            self._install(decision.uuid)
        if decision and decision.mode == "restore":
            self._restore(decision)
        if decision and decision.mode == "bootstrap":
            self.volume.save(self.volume.data, position.uuid, position.seqno)
        if decision and decision.mode == "forced":
            self.volume.save(self.volume.data, decision.uuid, 0)

    def _install(self, history: str) -> None:
        """Make new data with the accounts in them. They appear in their place as a whole."""
        fresh = self.volume.fresh
        shutil.rmtree(fresh, ignore_errors=True)
        sql = self.settings.run / "accounts.sql"
        write_private(sql, accounts(self.settings))
        common = ["--no-defaults", f"--datadir={fresh}", f"--tmpdir={self.settings.run}"]
        self.programs.run(
            ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db", f"--extra-file={sql}"]
        )
        sql.unlink()
        self.volume.save(fresh, history, 0)
        fresh.rename(self.volume.data)
        sync(self.settings.volume)

    def _restore(self, decision: Decision) -> None:
        """Fetch what a backup has restored. Raises Failure and leaves the data as they are if it does not come as a whole."""
        try:
            if not self.settings.backup:
                raise Failure(NO_BACKUP)
            shutil.rmtree(self.volume.replaced, ignore_errors=True)
            account = self.settings.account("mariadb-sst")
            fetch(self.settings.backup, decision.restore, account, self.volume.fresh, lambda: self.patience.pause(0))
        except Failure as failure:
            with suppress(ApiError):
                self.registry.refuse_restore(f"{decision.restore}: {failure}")
            raise
        self.volume.save(self.volume.fresh, decision.uuid, 0)
        self.volume.replace()
        say(f"restored {decision.restore}: its history is {decision.uuid}")

    def _must_be_restored(self) -> bool:
        """Whether a human has ordered that all servers stop and what a backup has restored takes their place."""
        with suppress(ApiError):
            order = self.registry.state().restore
            if order and not self.settings.backup:
                self.registry.refuse_restore(f"{order}: {NO_BACKUP}")
            return bool(order and self.settings.backup)
        return False

    def _supervise(self, process: subprocess.Popen[bytes]) -> bool:
        """Watch MariaDB until it ends. Returns whether it was part of the cluster. Raises Stopping."""
        joined, registered, primary_at, asked_at = False, False, time.monotonic(), time.monotonic()
        try:
            while process.poll() is None:
                wsrep = self.monitor.wsrep
                if wsrep is None or wsrep.primary:
                    primary_at = time.monotonic()
                if not joined and wsrep and wsrep.ready and wsrep.primary and wsrep.local_state == 4:
                    joined, self.status.phase = True, "running"
                    unmark(self.volume.receiving)
                    say(f"joined: {wsrep.cluster_uuid}, {wsrep.size} servers: {', '.join(wsrep.members)}")
                if joined and not registered and wsrep and (registered := self._register(wsrep)):
                    self._upgrade()
                if reason := self._gives_up(time.monotonic() - primary_at):
                    say(f"stopping MariaDB: it has no majority, and {reason}")
                    self.programs.stop(process, IMPATIENT_STOP_SECONDS)
                if joined and time.monotonic() - asked_at > ORDER_SECONDS:
                    asked_at = time.monotonic()
                    if self._must_be_restored():
                        say("stopping MariaDB: data from a backup are to take the place of all servers' data")
                        self.programs.stop(process, self.settings.stop_seconds)
                self.patience.pause(PAUSE_SECONDS)
        except Stopping:
            patient = joined and self.monitor.wsrep is not None and self.monitor.wsrep.primary
            self.status.phase = "stopping"
            self.programs.stop(process, self.settings.stop_seconds if patient else IMPATIENT_STOP_SECONDS)
            raise
        finally:
            self.monitor.forget()
            end(process)  # what copied data for it
        say(f"MariaDB ended with {process.returncode}")
        return joined

    def _register(self, wsrep: Wsrep) -> bool:
        try:
            self.registry.register(wsrep.cluster_uuid)
        except ApiError as error:
            self.note(f"trying again: {error}")
            return False
        self.status.registered = True
        return True

    def _upgrade(self) -> None:
        """Bring the system tables, which each server has for itself, to the version of MariaDB if they are of an older one."""
        options_file = self.settings.run / "client.cnf"
        write_private(options_file, client_options(self.settings))
        command = ["mariadb-upgrade", f"--defaults-file={options_file}"]
        try:
            self.programs.run([*command, "--check-if-upgrade-is-needed"])
        except Failure:
            return  # it is not, or MariaDB has ended
        say("upgrading the system tables")
        try:
            self.programs.run(command)
        except Failure as failure:
            say(f"the system tables are as they were: {failure}")

    def _gives_up(self, stalled: float) -> str:
        """Why MariaDB is to stop and this server to report, so that the cluster can start anew; "" if it had better wait.

        ``stalled`` is for how many seconds it has had no majority. Galera brings servers together by itself, but not always.
        """
        if stalled < STALLED_SECONDS:
            return ""
        with suppress(ApiError):
            state = self.registry.state()
            if state.force == self.settings.pod:
                return "a human wants to start from its data"
            if set(state.reports) - {self.settings.pod}:
                return "another server has stopped and waits for its report"
        others = self.peers.ask()
        if stalled > STUCK_SECONDS and len(others) == len(self.settings.peers) - 1 and not serving(others):
            return "none of the others has one, although all answer"
        return ""

    def _write_options(self, first: Sequence[str] = (), donors: Sequence[str] = ()) -> None:
        (self.settings.run / RECORDER_FILE).write_text(RECORDER, encoding="utf-8")
        write_private(self.settings.run / "mariadbd.cnf", options(self.settings, first, donors))

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
