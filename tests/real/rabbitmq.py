"""The Pod of a broker, run on this machine from its manifests by RabbitMQ of the machine's own packages.

What a kubelet does with the Pod is done here by other means: directories are below one of the test's own instead of at the root,
and ports are free ones. Commands, environment and files are otherwise those of the manifests.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pika
from pika.adapters.blocking_connection import BlockingChannel

from stackloom.incluster import read_programs
from tests.core.infra.brokers import BuiltBroker
from tests.real.parts import absent
from tests.real.programs.running import finished
from tests.real.servers import LOOPBACK, ServerError, free_port

T = TypeVar("T")

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
WAIT_SECONDS = 60


def soon(found: Callable[[], T | None], what: str) -> T:
    """What ``found`` gives as soon as it gives something. ServerError if it does not in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.2)
    raise ServerError(f"waited {WAIT_SECONDS} seconds for {what}")


@dataclass
class BrokerPod:
    """A Pod that may be started, killed and started again on the same volume."""

    broker: BuiltBroker
    root: Path
    passwords: dict[str, str] = field(default_factory=dict)
    _ports: dict[str, int] = field(default_factory=dict)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.broker.pod["containers"][0]["ports"]
        ports = [str(port["containerPort"]) for port in names] + [self.broker.conf["management.tcp.port"]]
        self._ports = {port: free_port() for port in ports}
        self._distribution = {"ERL_EPMD_PORT": str(free_port()), "RABBITMQ_DIST_PORT": str(free_port())}
        for mount in self._mounts():
            Path(f"{self.root}{mount}").mkdir(parents=True, exist_ok=True)
        for name, text in read_programs().items():
            (self.root / "opt/stackloom/programs" / name).write_text(text)
        self.configure(self.broker)
        for user in self.broker.access["users"]:
            self.set_password(user["name"])

    def _mounts(self) -> set[str]:
        containers = (*self.broker.pod["initContainers"], *self.broker.pod["containers"])
        return {mount["mountPath"] for c in containers for mount in c["volumeMounts"]}

    def configure(self, broker: BuiltBroker) -> None:
        """Let the Pod see the files of the broker's ConfigMap, as they are now."""
        self.broker = broker
        for file in broker.context.config_files.values():
            Path(f"{self.root}{file.path}").write_text(self._here(file.text) if file.path.endswith(".conf") else file.text)

    def set_password(self, user: str) -> None:
        """Give the user a new password, in the Secret that is mounted."""
        self.passwords[user] = secrets.token_hex(16)
        (self.root / "etc/rabbitmq-users" / user).write_text(self.passwords[user])

    def _here(self, text: str) -> str:
        """A text of the manifests with the directories and the ports of this machine."""
        paths = "|".join(map(re.escape, sorted(self._mounts(), reverse=True)))
        text = re.sub(rf"(?<![\w.-])({paths})(?=[/\s]|$)", rf"{self.root}\1", text)
        return re.sub(r"\b\d{4,5}\b", lambda match: str(self._ports.get(match[0], match[0])), text)

    def _command(self, container: str) -> list[str]:
        command = [self._here(part) for part in self.broker.container(container)["command"]]
        return [sys.executable if part == "python3" else part for part in command]

    @property
    def env(self) -> dict[str, str]:
        """The environment of the server: the manifest's, and what the image and its paths stand for."""
        given = {e["name"]: self._here(e["value"]) for e in self.broker.container(self.server)["env"]}
        image = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "RUNNING_UNDER_SYSTEMD": "true", "LANG": "C.UTF-8"}
        places = {
            "RABBITMQ_CONFIG_FILE": f"{self.root}/etc/rabbitmq/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.root}/etc/rabbitmq/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{self.root}/var/lib/rabbitmq/mnesia",
            "RABBITMQ_LOG_BASE": f"{self.root}/var/log/rabbitmq",
        }
        return {**image, **places, **self._distribution, **given}

    def port(self, name: str) -> int:
        """The port of this machine for a port of the manifest."""
        (found,) = (p["containerPort"] for p in self.broker.pod["containers"][0]["ports"] if p["name"] == name)
        return self._ports[str(found)]

    def tool(self, *command: str) -> str:
        """What a command says that is run in the server's container. ServerError when it fails."""
        result = finished([str(PROGRAMS / command[0]), *command[1:]], self.env)
        if result.returncode:
            raise ServerError(result.stdout)
        return result.stdout

    def start(self) -> None:
        """Run the init container, and then both others. Returns when the server listens."""
        defined = finished(self._command("define"), {})
        if defined.returncode:
            raise ServerError(defined.stdout)
        self._processes = {"follow": self._run("follow", {"PATH": os.environ["PATH"]})}
        self.start_server()

    def start_server(self) -> None:
        """Run the server's container. Returns when it listens."""
        self._processes[self.server] = self._run(self.server, self.env)
        soon(self._listens, "the broker to listen")

    @property
    def server(self) -> str:
        """The name of the server's container."""
        return self.broker.context.name

    def runs(self, container: str) -> bool:
        """Whether a container has not ended."""
        return self._processes[container].poll() is None

    def _run(self, container: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
        with self.log(container).open("ab") as log:
            return subprocess.Popen(self._command(container), env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def log(self, container: str) -> Path:
        """The file with what a container has said."""
        return self.root / f"{container}.log"

    def said(self, line: str) -> int:
        """How often the sidecar has said so."""
        return self.log("follow").read_text().splitlines().count(line)

    def _listens(self) -> bool:
        if not self.runs(self.server):
            raise ServerError(f"the broker did not start:\n{self.log(self.server).read_text()[-3000:]}")
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port("amqp"))) == 0

    def probe(self, container: str) -> list[str]:
        """The command that shows whether a container lives."""
        return [self._here(part) for part in self.broker.container(container)["livenessProbe"]["exec"]["command"]]

    def send(self, container: str, number: signal.Signals) -> None:
        """Send a signal to the first process of a container."""
        self._processes[container].send_signal(number)

    def kill(self, *containers: str) -> None:
        """End these containers without a warning, or all."""
        ended = [self._processes.pop(name) for name in containers or [*self._processes]]
        for process in ended:
            process.kill()
        for process in ended:
            process.wait(timeout=WAIT_SECONDS)

    def close(self) -> None:
        """End all that was started."""
        self.kill()
        finished(["epmd", "-kill"], self.env)

    @contextmanager
    def channel(self, user: str, vhost: str, password: str = "", tls: pika.SSLOptions | None = None) -> Iterator[BlockingChannel]:
        """A channel of a connection as this user, with TLS or without."""
        login = pika.PlainCredentials(user, password or self.passwords.get(user, user))
        port = self.port("amqps" if tls else "amqp")
        connection = pika.BlockingConnection(pika.ConnectionParameters(LOOPBACK, port, vhost, login, ssl_options=tls))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            if connection.is_open:
                connection.close()


@contextmanager
def broker_pod(broker: BuiltBroker, root: Path) -> Iterator[BrokerPod]:
    """The Pod of a broker, running."""
    if not (PROGRAMS / "rabbitmq-server").exists():
        absent("rabbitmq-server is not installed (Debian: apt-get install rabbitmq-server)")
    pod = BrokerPod(broker, root)
    try:
        pod.start()
        yield pod
    finally:
        pod.close()
