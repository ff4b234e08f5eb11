"""The database as its clients meet it: real servers, their Pods on a real Kubernetes API, and the Service in front of them.

What a cluster adds is done here by the smallest thing that does it: a kubelet for each Pod, which probes and ends it as the
output says, what takes note of a silent node, and the way that a new connection to the Service takes. What Kubernetes takes to
tell its nodes of a new endpoint is not in it.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pymysql

from tests.real.cluster import Cluster, Object
from tests.real.faults import Fault
from tests.real.galera import GaleraCluster, Server, galera_cluster, wait_for
from tests.real.galera_server import Connection
from tests.real.galera_writer import INSERT
from tests.real.mariadb_pods import Servers

SERVICE = "mariadb"
CLIENT_SECONDS = 0.05
PATIENT_SECONDS = 10.0
OUTAGE_SECONDS = 90.0
SETTLE_SECONDS = 120.0
EFFECT_SECONDS = 0.5
"""A fault has taken effect by then."""
NODE_GRACE_SECONDS = 40.0
"""After that time Kubernetes takes the Pods of a silent node for not ready, at best."""


class Kubelet:
    """The kubelet of one server's node. It tells the API whether the Pod is ready, and ends the container of a deleted one."""

    def __init__(self, pods: Servers, server: Server) -> None:
        self.lost = False
        self._pods, self._server = pods, server
        self._probe = pods.output.server_container()["readinessProbe"]
        self._failed: BaseException | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it. Raises what it did not foresee."""
        self._end.set()
        self._thread.join()
        if self._failed:
            raise self._failed

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # noqa: BLE001 - stop() raises it
            self._failed = error

    def _serve(self) -> None:
        due, failures, uid = 0.0, 0, ""
        while not self._end.wait(0.05):
            pod = self._pods.recorder.pods.get(self._server.name)
            if self.lost or pod is None or pod["metadata"]["uid"] != self._server.uid:
                continue
            if uid != self._server.uid:
                uid, failures = self._server.uid, 0
            if "deletionTimestamp" in pod["metadata"]:
                self._finish()
            elif time.monotonic() >= due:
                due = time.monotonic() + self._probe["periodSeconds"]
                succeeds = self._server.ask(self._probe["httpGet"]["path"], seconds=self._probe["timeoutSeconds"])[0] == 200
                failures = 0 if succeeds else failures + 1
                if not self.lost and (succeeds or failures >= self._probe["failureThreshold"]):
                    self._tell(ready=succeeds)

    def _tell(self, *, ready: bool) -> None:
        pod = self._pods.recorder.pods[self._server.name]
        if is_ready(pod) != ready:
            self._pods.turn(self._server.number, ready=ready)

    def _finish(self) -> None:
        if self._server.process is not None:
            self._server.cluster.run_before_stop(self._server)
            self._server.ask_to_stop()
            self._server.stopped()
        self._pods.remove(self._server.number)


def is_ready(pod: Object) -> bool:
    """Whether the API says that the Pod is ready."""
    return any((c["type"], c["status"]) == ("Ready", "True") for c in pod.get("status", {}).get("conditions", []))


def is_drained(pod: Object) -> bool:
    """Whether the controller means to send the clients of the Pod away."""
    return "stackloom.io/drain" in pod["metadata"].get("annotations", {})


@dataclass(frozen=True)
class Confirmed:
    """A row that was confirmed, when, and when its client had begun."""

    row: int
    began: float
    at: float


class Clients:
    """New clients again and again, each of which writes one row over a connection of its own to the Service."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.confirmed: list[Confirmed] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and wait for the last."""
        self._end.set()
        self._thread.join()

    def rows(self) -> list[int]:
        """What was confirmed."""
        return [one.row for one in list(self.confirmed)]

    def outage(self, since: float) -> float:
        """The longest time without a confirmation from then until clients are served whom the fault has met."""

        def served() -> bool:
            return any(one.began > since + EFFECT_SECONDS for one in list(self.confirmed))

        wait_for("clients are served again", served, OUTAGE_SECONDS, self._database.said)
        moments = sorted([since, *(one.at for one in list(self.confirmed) if one.at > since)])
        return max(later - earlier for earlier, later in pairwise(moments))

    def _send(self) -> None:
        clients: list[threading.Thread] = []
        while not self._end.wait(CLIENT_SECONDS):
            clients = [client for client in clients if client.is_alive()]
            clients.append(threading.Thread(target=self._write, daemon=True))
            clients[-1].start()
        for client in clients:
            client.join()

    def _write(self) -> None:
        row, began, server = random.getrandbits(62), time.monotonic(), self._database.endpoint()
        if server is None:
            return
        with suppress(pymysql.MySQLError, OSError), server.connect(timeout=PATIENT_SECONDS) as connection:
            with connection.cursor() as cursor:
                cursor.execute(INSERT, (row, str(row)))
            self.confirmed.append(Confirmed(row, began, time.monotonic()))


@dataclass
class Database:
    """The servers, their Pods and kubelets. A controller is started by whoever has one."""

    cluster: GaleraCluster
    pods: Servers
    kubelets: list[Kubelet] = field(default_factory=list)
    _noticed: threading.Timer = field(default_factory=lambda: threading.Timer(0, lambda: None))

    def prepare(self) -> None:
        """Start all, wait until clients can come, and make the table that they write."""
        self._place(*self.cluster.servers)
        self.kubelets = [Kubelet(self.pods, server) for server in self.cluster.servers]
        self.settle()
        self.cluster.make_table()

    def _place(self, *servers: Server) -> None:
        """Make the Pods of these, as the StatefulSet's controller would, and start their containers."""
        for server in servers:
            server.start(*self.pods.make(server.number, ready=False))

    def endpoint(self) -> Server | None:
        """Where a new connection to the Service goes: to a Pod that its selector matches, ready and not about to end."""
        wanted = self.pods.output[f"Service/{SERVICE}"]["spec"]["selector"].items()
        pods = self.pods.recorder.pods
        found = [
            server
            for server in self.cluster.servers
            if (pod := pods.get(server.name))
            and wanted <= pod["metadata"].get("labels", {}).items()
            and "deletionTimestamp" not in pod["metadata"]
            and is_ready(pod)
        ]
        return found[0] if found else None

    def open(self) -> Connection | None:
        """A connection to the Service."""
        server = self.endpoint()
        return server.connect() if server else None

    def settle(self) -> Server:
        """Wait until all servers are ready, the API knows it, and no clients are to be sent away. Who has the role then."""

        def settled() -> bool:
            pods = self.pods.recorder.pods.values()
            known = len(pods) == len(self.cluster.servers) and all(is_ready(pod) and not is_drained(pod) for pod in pods)
            return known and all(server.is_ready() for server in self.cluster.servers) and self.endpoint() is not None

        wait_for("all are ready", settled, SETTLE_SECONDS, self.said)
        primary = self.endpoint()
        assert primary is not None
        return primary

    def faults(self, server: Server) -> list[Fault]:
        """What can happen to the server that has the role."""
        pid = server.mariadbd()
        return [
            Fault("MariaDB is killed", lambda: os.kill(pid, signal.SIGKILL)),
            Fault("MariaDB hangs", lambda: os.kill(pid, signal.SIGSTOP), lambda: os.kill(pid, signal.SIGCONT)),
            Fault("the server is cut off", server.isolate, lambda: server.isolate(cut=False)),
            Fault("the Pod is deleted", lambda: self.pods.delete(server.number), lambda: self._replace(server)),
            Fault("the node is lost", lambda: self._lose(server), lambda: self._find(server)),
        ]

    def _replace(self, server: Server) -> None:
        wait_for("the Pod is gone", lambda: server.name not in self.pods.recorder.pods, log=self.said)
        self._place(server)

    def _lose(self, server: Server) -> None:
        self.kubelets[server.number].lost = True
        server.crash()
        self._noticed = threading.Timer(NODE_GRACE_SECONDS, lambda: self.pods.turn(server.number, ready=False))
        self._noticed.start()

    def _find(self, server: Server) -> None:
        self._noticed.cancel()
        server.resume()
        self.kubelets[server.number].lost = False

    def said(self) -> str:
        """What everybody said last, and how the Pods are."""
        pods = self.pods.recorder.pods.items()
        told = (f"{name}: ready {is_ready(pod)}, {pod['metadata'].get('labels')}, {pod['metadata']['uid']}" for name, pod in pods)
        return "\n".join([*told, self.cluster.said()])

    def stop(self) -> None:
        """End everything."""
        self._noticed.cancel()
        for kubelet in self.kubelets:
            kubelet.stop()


@contextmanager
def database(api: Cluster, namespace: str) -> Iterator[Database]:
    """A database of three servers, none of which runs yet."""
    with galera_cluster(api, namespace) as cluster:
        made = Database(cluster, Servers(api, namespace, cluster.output, [server.ip for server in cluster.servers]))
        try:
            yield made
        finally:
            made.stop()
            made.pods.recorder.stop()
