"""A way to the Kubernetes API on which requests are refused that the API would take, or lose their answers."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from tests.real.certificates import Authority
from tests.real.cluster import Cluster
from tests.real.servers import LOOPBACK

KEPT = ("Authorization", "Content-Type", "Accept")
Trouble = Literal["refused", "lost"] | None


class Injection:
    """A server on ``port`` that passes requests on to the API. Whoever is to use it must trust ``ca_file``.

    ``trouble`` says of each method what happens: a ``refused`` request never reaches the API, of a ``lost`` one the answer does
    not come back. The client gets ``status`` for both.
    """

    def __init__(self, api: Cluster, directory: Path, status: int) -> None:
        directory.mkdir()
        authority = Authority(directory)
        self.ca_file = authority.certificate
        self.trouble: Callable[[str], Trouble] = lambda _: None
        self.injected = 0
        self._api, self._status = api, status
        self._trust = ssl.create_default_context(cafile=str(api.ca_file))
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("road", "road", addresses=(LOOPBACK,)))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Pass nothing on any more."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        road = self

        class Handler(BaseHTTPRequestHandler):
            def pass_on(self) -> None:
                trouble = road.trouble(self.command)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                road.injected += trouble is not None
                if trouble == "refused":
                    return self.refuse()
                api = http.client.HTTPSConnection(road._api.host, road._api.port, timeout=60, context=road._trust)
                try:
                    api.request(
                        self.command, self.path, body, {name: self.headers[name] for name in KEPT if name in self.headers}
                    )
                    answer = api.getresponse()
                    if trouble == "lost":
                        answer.read()
                        return self.refuse()
                    self.send_response(answer.status)
                    self.send_header("Content-Type", answer.headers["Content-Type"])
                    self.end_headers()
                    while data := answer.read1():
                        self.wfile.write(data)
                except OSError:
                    self.close_connection = True  # either side has gone
                finally:
                    api.close()
                return None

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815 - http.server wants these names

            def refuse(self) -> None:
                said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": road._status, "message": "injected"}
                self.send_response(road._status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Retry-After", "1")
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            def log_message(self, *_: object) -> None:
                pass

        return Handler
