"""The database's Pods on a real Kubernetes API, as its controller sees them: no server and no kubelet, but what these would say.

The StatefulSet, the account and its Role are those of the output. What a StatefulSet's controller and a kubelet do to Pods, a
test does here. Everything that happens to the Pods is recorded, in the order in which the API knows it.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

from stackloom.infra.mariadb import MARIADB
from tests.core.infra.built import built
from tests.real.cluster import Cluster, Object
from tests.real.programs.running import Programs
from tests.real.servers import LOOPBACK, free_port

PATIENCE_SECONDS = 30.0
LEASE_SECONDS = 3
ACCOUNT = "mariadb-controller"
SERVERS = "mariadb-server"
ROLE = "mariadb_role"
NOW = "2026-01-01T00:00:00Z"


def until(true: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait for it, and return how long that took, in seconds. AssertionError when it does not come."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() < started + seconds, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - started


class Recorder:
    """The Pods of a namespace, with each of their changes from now on.

    ``primaries`` are those that had the role, each with when it got it; ``most`` is how many had it at once, at worst.
    """

    def __init__(self, kubernetes: Cluster, namespace: str) -> None:
        self.pods: dict[str, Object] = {}
        self.primaries: list[tuple[float, str]] = []
        self.most = 0
        path = f"/api/v1/namespaces/{namespace}/pods"
        version = kubernetes.request("GET", path).object["metadata"]["resourceVersion"]
        url = f"{kubernetes.admin.configuration.host}{path}?watch=1&resourceVersion={version}"
        pool = kubernetes.admin.rest_client.pool_manager
        self._stream = pool.request("GET", url, preload_content=False, timeout=urllib3.Timeout(connect=5, read=None))
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Record no more. AssertionError if the record is not complete."""
        complete = self._thread.is_alive()
        self._stream.shutdown()
        self._thread.join()
        assert complete

    def _record(self) -> None:
        with suppress(urllib3.exceptions.HTTPError):
            for line in self._lines():
                self._take(json.loads(line))

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._stream.stream(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines

    def _take(self, event: Object) -> None:
        pods = {**self.pods, event["object"]["metadata"]["name"]: event["object"]}
        if event["type"] == "DELETED":
            del pods[event["object"]["metadata"]["name"]]
        self.pods = pods
        holders = self.holders()
        self.most = max(self.most, len(holders))
        self.primaries += [(time.monotonic(), holder) for holder in holders if [holder] != [n for _, n in self.primaries[-1:]]]

    def holders(self) -> list[str]:
        """Who has the role of the primary."""
        return sorted(name for name, body in self.pods.items() if body["metadata"].get("labels", {}).get(ROLE) == "primary")


class Servers:
    """The Pods of the StatefulSet in a namespace of their own."""

    def __init__(self, kubernetes: Cluster, namespace: str, directory: Path, count: int) -> None:
        self.kubernetes, self.namespace, self.count = kubernetes, namespace, count
        chart = {"database": {"mariadb": {"values": {"replicas": {"server": count}}}}}
        self.output = built(MARIADB, directory, services=chart)
        wanted = [self.output[f"{kind}/{ACCOUNT}"] for kind in ("ServiceAccount", "Role", "RoleBinding")]
        wanted.append(self.output[f"StatefulSet/{SERVERS}"])
        applied = kubernetes.apply([self._here(body) for body in wanted]).objects
        self._owner = applied[-1]["metadata"]["uid"]
        self.recorder = Recorder(kubernetes, namespace)

    def _here(self, body: Object) -> Object:
        moved = {**body, "metadata": {**body["metadata"], "namespace": self.namespace}}
        if body["kind"] == "RoleBinding":
            moved["subjects"] = [{**subject, "namespace": self.namespace} for subject in body["subjects"]]
        return moved

    def make(self, *numbers: int, ready: bool = True) -> None:
        """Make these Pods, as the StatefulSet's controller would."""
        template = self.output[f"StatefulSet/{SERVERS}"]["spec"]["template"]
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": SERVERS, "uid": self._owner, "controller": True}
        for number in numbers:
            meta = {
                "name": f"{SERVERS}-{number}",
                "namespace": self.namespace,
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner],
            }
            # On a node, so that a deleted Pod waits for a kubelet. It runs nothing, so the smallest spec will do.
            spec = {"nodeName": f"node-{number}", "containers": [{"name": "main", "image": "image:1"}]}
            body: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
            self._request("POST", "", body)
            self.turn(number, ready=ready)

    def turn(self, number: int, *, ready: bool) -> None:
        """Say that a Pod is ready, or not, as its kubelet would."""
        ip = f"127.0.77.{10 + number}"
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": NOW}
        status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [condition]}
        self._request("PATCH", f"/{SERVERS}-{number}/status", {"status": status})

    def delete(self, number: int) -> None:
        """Delete a Pod, which waits for its kubelet then."""
        self._request("DELETE", f"/{SERVERS}-{number}", {"gracePeriodSeconds": 300})

    def remove(self, number: int) -> None:
        """Delete a Pod as a kubelet does at the end: it is gone at once."""
        self._request("DELETE", f"/{SERVERS}-{number}", {"gracePeriodSeconds": 0})

    def label(self, number: int, role: str | None) -> None:
        """Write the label by hand."""
        self._request("PATCH", f"/{SERVERS}-{number}", {"metadata": {"labels": {ROLE: role}}})

    def scale(self, replicas: int) -> None:
        """Change the StatefulSet's number of replicas."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets/{SERVERS}"
        body = {"spec": {"replicas": replicas}}
        assert self.kubernetes.request("PATCH", path, body, content_type="application/merge-patch+json").status == HTTPStatus.OK

    def allow(self, rules: list[Object]) -> None:
        """Make these the rules of the controller's Role."""
        body = self._here(self.output[f"Role/{ACCOUNT}"])
        self.kubernetes.apply([{**body, "rules": rules}])

    def roles(self) -> dict[int, str]:
        """The label of each Pod, by its number."""
        bodies = self.kubernetes.request("GET", f"/api/v1/namespaces/{self.namespace}/pods").object["items"]
        numbered = {int(body["metadata"]["name"].rpartition("-")[2]): body["metadata"] for body in bodies}
        return {number: meta.get("labels", {}).get(ROLE, "") for number, meta in sorted(numbered.items())}

    def settle(self, primary: int, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until this one is the primary and all others are backups; how long that took, in seconds."""

        def settled() -> bool:
            return all(role == ("primary" if number == primary else "backup") for number, role in self.roles().items())

        return until(settled, seconds)

    def moved_after(self, change: Callable[[], None], to: int) -> float:
        """Seconds from a change to when the API has the role at this Pod."""
        started = time.monotonic()
        change()
        until(lambda: self.recorder.holders() == [f"{SERVERS}-{to}"])
        return self.recorder.primaries[-1][0] - started

    def events(self) -> list[Object]:
        """The Events of the namespace."""
        found: list[Object] = self.kubernetes.request("GET", f"/api/v1/namespaces/{self.namespace}/events").object["items"]
        return found

    def _request(self, method: str, path: str, body: Object) -> None:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        where = f"/api/v1/namespaces/{self.namespace}/pods{path}"
        answer = self.kubernetes.request(method, where, body, content_type=kind)
        assert answer.status < HTTPStatus.BAD_REQUEST, answer.object


@dataclass
class Controller:
    """One process of the controller."""

    process: subprocess.Popen[bytes]
    port: int
    log_file: Path

    def log(self) -> str:
        """What it has said."""
        return self.log_file.read_text()

    def page(self, path: str) -> tuple[int, str]:
        """What it answers to a GET; (0, "") if it does not."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def figure(self, name: str) -> float:
        """A figure of its metrics; the sum where there are several of the name."""
        lines = [line.rpartition(" ") for line in self.page("/metrics")[1].splitlines()]
        return sum(float(value) for key, _, value in lines if key.partition("{")[0] == name)

    def leads(self) -> bool:
        """Whether it says that it leads."""
        return self.figure("mariadb_controller_leads") == 1

    def freeze(self) -> None:
        """Stop it where it is. It has stopped when this returns."""
        self.process.send_signal(signal.SIGSTOP)
        until(lambda: Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)


@dataclass
class Controllers:
    """Processes of the controller, with the files and rights that they have in a Pod."""

    servers: Servers
    directory: Path
    agent_port: int = 0
    _running: list[Controller] = field(default_factory=list)

    def start(self, name: str, *, api_port: int = 0, **env: str) -> Controller:
        """Start one; ``api_port`` is where it finds the API, if not at the API."""
        own = self.directory / name
        own.mkdir(parents=True, exist_ok=True)
        mount = self.servers.kubernetes.mount(self.servers.namespace, ACCOUNT, own / "account")
        port, log_file = free_port(), own / "log"
        environment = {
            "PATH": os.environ["PATH"],
            **mount,
            "POD_NAME": name,
            "HTTP_PORT": str(port),
            "AGENT_PORT": str(self.agent_port),
            "LEASE_SECONDS": str(LEASE_SECONDS),
            **({"KUBERNETES_SERVICE_PORT": str(api_port)} if api_port else {}),
            **env,
        }
        tied = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        command = [*tied, *Programs(own).command("mariadb_controller", python=sys.executable)]
        with log_file.open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self._running.append(Controller(process, port, log_file))
        return self._running[-1]

    def stop(self) -> None:
        """Kill all that still run."""
        for controller in self._running:
            controller.process.kill()
            controller.process.wait()


class Agent:
    """What stands beside a server: says what it is told to say, and remembers when clients were to be sent away."""

    def __init__(self, number: int, port: int) -> None:
        self.state: Object = {}
        self.drained: list[float] = []
        self.refuses = False
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(json.dumps(agent.state).encode())

            def do_POST(self) -> None:
                if agent.refuses:
                    self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
                    return
                agent.drained.append(time.monotonic())
                self._answer(b"{}")

            def _answer(self, body: bytes) -> None:
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((f"127.0.77.{10 + number}", port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()


class Road:
    """A way to the API over ``port`` of loopback that can be cut, or swallow what is sent on it."""

    def __init__(self, to: int) -> None:
        self.port = free_port()
        self._to = to
        self._open = True
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server((LOOPBACK, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Connections end, and new ones end at once."""
        self._open = False
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        yield
        self._open = True

    @contextmanager
    def mute(self) -> Iterator[None]:
        """Connections stay, and nothing that is sent on them arrives until the end."""
        self._flows.clear()
        yield
        self._flows.set()

    def close(self) -> None:
        """End it."""
        with self.cut():
            self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._open:
                    near.close()
                    continue
                far = socket.create_connection((LOOPBACK, self._to))
                self._sockets = [one for one in self._sockets if one.fileno() >= 0] + [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def answering(servers: Servers, members: Mapping[int, list[int]]) -> Iterator[tuple[int, Object]]:
    """The state of each of these servers' agents: ready, in a primary component of these members."""
    for number, others in members.items():
        uid = servers.recorder.pods[f"{SERVERS}-{number}"]["metadata"]["uid"]
        names = [f"{SERVERS}-{other}" for other in others]
        yield number, {"uid": uid, "phase": "running", "ready": True, "wsrep": {"cluster_status": "Primary", "members": names}}
