"""Traefik for a test: the real program with the configuration and the rights of its manifests, before backends that are echoes.

Three things differ from a cluster. Traefik listens on free ports of the loopback interface (:func:`_configured`). It gets the
token of its account in a kubeconfig. And no Pod has an address here: Traefik reaches them all through a SOCKS proxy, which
answers for each, by TLS as their proxies do, and says who was called.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from scripts.build_traefik import directory, is_built
from tests.real.certificates import Authority
from tests.real.cluster import Cluster, Object
from tests.real.parts import absent
from tests.real.servers import LOOPBACK, free_port

PATIENCE_SECONDS = 30


def require_traefik() -> Path:
    """The directory with the program and the definitions of the Gateway API. The test ends here without it."""
    if not is_built():
        absent(f"no Traefik: {directory()} has none; run scripts/build_traefik.py")
    return directory()


def gateway_definitions() -> list[Object]:
    """The CustomResourceDefinitions of the Gateway API."""
    files = sorted((require_traefik() / "gateway-api").glob("*.yaml"))
    objects = [o for file in files for o in yaml.safe_load_all(file.read_text())]
    return [o for o in objects if o["kind"] == "CustomResourceDefinition"]


def wait_for(what: str, condition: Callable[[], Any], log: Path) -> Any:
    """What ``condition`` gives once that is true. AssertionError with what Traefik said when it does not become so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}, in vain:\n{log.read_text()[-3000:]}"
        time.sleep(0.1)
    return found


class Answer(NamedTuple):
    """An answer: ``where`` it sends the client, if anywhere; ``told`` is what the Pod said that it was asked, if one was."""

    status: int
    where: str
    told: dict[str, Any]


@dataclass(frozen=True)
class Traefik:
    """A Traefik that runs. ``authority`` is the file of the certificate that its clients trust."""

    process: subprocess.Popen[bytes]
    ports: Mapping[str, int]
    authority: Path
    log: Path

    def ask(
        self,
        host: str,
        path: str = "/",
        *,
        port: str = "websecure",
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | None = None,
        trusting: bool = True,
    ) -> Answer:
        """Ask by HTTPS, or by HTTP on another port. If ``trusting``, a certificate that is not the authority's is a failure."""
        with closing(http.client.HTTPConnection(LOOPBACK, self.ports[port], timeout=30)) as connection:
            if port == "websecure":
                connection.sock = self.secured(host, trusting=trusting)
            sent = {"Host": host, **({"Transfer-Encoding": "chunked"} if body else {}), **(headers or {})}
            connection.request("PUT" if body else "GET", path, body, sent, encode_chunked=bool(body))
            answer = connection.getresponse()
            text = answer.read().decode()
        is_told = answer.headers.get("Content-Type") == "application/json"
        return Answer(answer.status, answer.headers.get("Location", ""), json.loads(text) if is_told else {})

    def serves(self, host: str) -> bool:
        """Whether a Pod answers for the host. Until Traefik knows any route it ends every handshake."""
        try:
            return self.ask(host).status == 200
        except OSError:
            return False

    def secured(self, host: str, *, trusting: bool = True, latest: ssl.TLSVersion | None = None) -> ssl.SSLSocket:
        """A connection by TLS to ``host``, of the ``latest`` version at most."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if latest:
            context.set_ciphers("ALL:@SECLEVEL=0")  # the client must be ready for what the server has to refuse
            context.minimum_version = context.maximum_version = latest
        if not trusting:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((LOOPBACK, self.ports["websecure"]), timeout=30)
        return context.wrap_socket(plain, server_hostname=host)


@contextmanager
def traefik(cluster: Cluster, namespace: str, objects: Sequence[Object], folder: Path, authority: Authority) -> Iterator[Traefik]:
    """Apply ``objects`` and run Traefik as they say, with its files in ``folder``. It has just been started then.

    The authority is that of the public certificate and of those of the Pods.
    """
    program = require_traefik() / "traefik"
    ports = {name: free_port() for name in ("web", "websecure", "metrics")}
    (files,) = (o["data"] for o in objects if o["metadata"]["name"] == "ingress-etc")
    (daemon_set,) = (o for o in objects if o["kind"] == "DaemonSet")
    pod = daemon_set["spec"]["template"]["spec"]
    name, *arguments = pod["containers"][0]["command"]
    assert name == "traefik"
    file, log = folder / "traefik.yml", folder / "traefik.log"
    file.write_text(_configured(ports, files, folder, authority))
    assert not cluster.apply(_with_port(ports["websecure"], objects)).warnings
    with _pods(_certified(namespace, authority)) as proxy:
        env = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(_kubeconfig(cluster, namespace, pod["serviceAccountName"], folder)),
            "HTTPS_PROXY": f"socks5://{LOOPBACK}:{proxy}",
        }
        command = [str(program), *(word.replace("/etc/traefik/traefik.yml", str(file)) for word in arguments)]
        with log.open("wb") as stream, subprocess.Popen(command, env=env, stdout=stream, stderr=stream) as process:
            try:
                yield Traefik(process, ports, authority.certificate, log)
            finally:
                process.kill()  # asked to end, it would wait for load balancers


def _configured(ports: Mapping[str, int], files: Mapping[str, str], folder: Path, authority: Authority) -> str:
    """The configuration with other ports, on loopback, and with the files that it names in ``folder``."""
    inside = folder / "inside.yml"
    inside.write_text(files["inside.yml"].replace("/etc/traefik/trusted/ca.crt", str(authority.certificate)))
    changed = yaml.safe_load(files["traefik.yml"].replace("/etc/traefik/inside.yml", str(inside)))
    for name, port in ports.items():
        changed["entryPoints"][name]["address"] = f"{LOOPBACK}:{port}"
    return yaml.safe_dump(changed)


def _certified(namespace: str, authority: Authority) -> ssl.SSLContext:
    """What every Pod proves itself with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("pods", "pods", addresses=(f"api.{namespace}.svc.cluster.local",)))
    return context


def _with_port(https: int, objects: Sequence[Object]) -> list[Object]:
    """The objects, in which a Gateway listens on the port on which Traefik does."""
    changed: list[Object] = json.loads(json.dumps(objects))
    for gateway in (o for o in changed if o["kind"] == "Gateway"):
        gateway["spec"]["listeners"][0]["port"] = https
    return changed


def _kubeconfig(cluster: Cluster, namespace: str, account: str, folder: Path) -> Path:
    server = {"server": f"https://{cluster.host}:{cluster.port}", "certificate-authority": str(cluster.ca_file)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": server}],
        "users": [{"name": "tests", "user": {"token": cluster.token_for(namespace, account)}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file


class _Pod(http.server.BaseHTTPRequestHandler):
    """Any Pod, as the proxy answers for it: it says who was called, what was asked, and how long the body was."""

    protocol_version = "HTTP/1.1"
    context: ssl.SSLContext

    def setup(self) -> None:
        """Agree on SOCKS 5 without a password, and take the IPv4 address and the port that are wanted."""
        super().setup()
        _, methods = self.rfile.read(2)
        self.rfile.read(methods)
        self.wfile.write(b"\x05\x00")
        assert self.rfile.read(4) == b"\x05\x01\x00\x01"
        address, port = socket.inet_ntoa(self.rfile.read(4)), int.from_bytes(self.rfile.read(2), "big")
        self._called = f"{address}:{port}"
        self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

    def finish(self) -> None:
        """Close what the server does not know of: the connection by TLS over its own."""
        super().finish()
        self.connection.close()

    def do_GET(self) -> None:
        """Answer with what was asked; or turn to bytes that come back, for who asks for another protocol."""
        if wanted := self.headers.get("Upgrade"):
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", wanted)
            self.end_headers()
            while some := self.connection.recv(1024):
                self.connection.sendall(some)
            return
        size = 0
        while self.headers.get("Transfer-Encoding") == "chunked" and (length := int(self.rfile.readline(), 16)):
            size += len(self.rfile.read(length))
            self.rfile.readline()
        told = {
            "pod": self._called,
            "path": self.path,
            "size": size,
            "headers": {key.lower(): value for key, value in self.headers.items()},
        }
        text = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.close_connection = True

    do_PUT = do_GET  # noqa: N815 - named by http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by http.server
        """Say nothing."""


@contextmanager
def _pods(context: ssl.SSLContext) -> Iterator[int]:
    """The port of the proxy behind which all Pods are."""
    handler = type("_CertifiedPod", (_Pod,), {"context": context})
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def metrics(running: Traefik, path: str = "/metrics") -> tuple[int, str]:
    """What stands on the entry point for the cluster's own: status and text."""
    with closing(http.client.HTTPConnection(LOOPBACK, running.ports["metrics"], timeout=30)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
