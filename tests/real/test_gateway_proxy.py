"""The proxy to gateways of Ceph that run already: HAProxy as the manifests have it, before servers that stand for gateways."""

from __future__ import annotations

import os
import shutil
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from stackloom import Output
from tests.bad_inputs import USUAL, patched
from tests.real.certificates import Authority
from tests.real.parts import absent
from tests.real.servers import LOOPBACK, free_port, served

pytestmark = pytest.mark.real

Manifests = Callable[[dict[str, Any]], list[Output]]
CA = {"value_from": {"secret_key_ref": {"name": "rgw", "key": "ca.crt"}}}


class Gateway(BaseHTTPRequestHandler):
    """Says who it is, and by what host it was called."""

    def do_GET(self) -> None:
        """The same for every path."""
        said = f"{self.connection.getsockname()[1]} {self.headers['Host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def gateway(tls: tuple[Path, Path] | None = None) -> Iterator[int]:
    """A server that stands for a gateway; its port."""
    server = ThreadingHTTPServer((LOOPBACK, free_port()), Gateway)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def proxy(manifests: Manifests, existing: dict[str, Any], folder: Path, authority: Path | None = None) -> Iterator[str]:
    """The proxy for these gateways, on another port and with the authority's file where that is; its URL."""
    if not shutil.which("haproxy"):
        absent("no haproxy (Debian: apt-get install haproxy)")
    features = {"services": ["identity", "object-storage"], "ceph_rgw": {"existing": existing}}
    (config,) = (o for o in manifests(patched(USUAL, {"spec": {"features": features}})) if o.path.endswith("/ceph-rgw-etc"))
    port = free_port()
    text = config.body["data"]["haproxy.cfg"].replace("bind :8080", f"bind {LOOPBACK}:{port}")
    (folder / "haproxy.cfg").write_text(text.replace("/etc/haproxy/ca/gateway.crt", str(authority)))
    with served(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], os.environ, port, folder / "log"):
        yield f"http://{LOOPBACK}:{port}"


def settled(url: str, seconds: float = 20) -> set[str]:
    """Which gateways answer, once the proxy has looked at all of them twice; the empty set where none does."""
    answers: set[str] = set()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answers = set()
        for _ in range(8):
            try:
                answers.add(requests.get(f"{url}/a/b", headers={"Host": "objects.example.org"}, timeout=5).text)
            except requests.ConnectionError:
                answers.add("")
        if len(answers) == 1:
            return answers - {""}
        time.sleep(1)
    return answers


def test_a_request_reaches_a_gateway_as_it_was_and_none_goes_to_one_that_is_away(manifests: Manifests, tmp_path: Path) -> None:
    with gateway() as port, proxy(manifests, {"addresses": [f"{LOOPBACK}:{free_port()}", f"{LOOPBACK}:{port}"]}, tmp_path) as url:
        assert settled(url) == {f"{port} objects.example.org /a/b"}


@pytest.mark.parametrize(("name", "is_reached"), [("rgw.example.org", True), ("other.example.org", False)])
def test_a_gateway_by_tls_must_show_a_certificate_of_its_name(
    manifests: Manifests, tmp_path: Path, name: str, is_reached: bool
) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("rgw", "rgw", addresses=("rgw.example.org",))
    with gateway(certificate) as port:
        existing = {"addresses": [f"{LOOPBACK}:{port}"], "tls": {"ca": CA, "server_name": name}}
        with proxy(manifests, existing, tmp_path, authority.certificate) as url:
            assert settled(url) == ({f"{port} objects.example.org /a/b"} if is_reached else set())
