"""Processes of the database's controller, and agents for them that say what a test tells them to."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.real.cluster import Object
from tests.real.mariadb_output import CONTROLLER, SERVERS
from tests.real.mariadb_pods import Servers, until
from tests.real.programs.running import Programs
from tests.real.servers import LOOPBACK, free_port

LEASE_SECONDS = 3


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

    def start(self, name: str, *, api_port: int = 0, ca_file: Path | None = None, **env: str) -> Controller:
        """Start one; ``api_port`` is where it finds the API, if not at the API, and ``ca_file`` whom to trust there."""
        own = self.directory / name
        own.mkdir(parents=True, exist_ok=True)
        mount = self.servers.kubernetes.mount(self.servers.namespace, CONTROLLER, own / "account")
        if ca_file:
            (own / "account" / "ca.crt").write_bytes(ca_file.read_bytes())
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


def answering(servers: Servers, members: Mapping[int, list[int]]) -> Iterator[tuple[int, Object]]:
    """The state of each of these servers' agents: ready, in a primary component of these members."""
    for number, others in members.items():
        uid = servers.recorder.pods[f"{SERVERS}-{number}"]["metadata"]["uid"]
        names = [f"{SERVERS}-{other}" for other in others]
        yield number, {"uid": uid, "phase": "running", "ready": True, "wsrep": {"cluster_status": "Primary", "members": names}}
