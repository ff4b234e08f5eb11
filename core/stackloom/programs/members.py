"""How members of a cluster talk to one another, while what they are members of cannot: over HTTPS, each with a certificate."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from program import Failure

TIMEOUT_SECONDS = 5.0
LONGEST_BODY = 65536  # bytes


class Unavailable(Exception):
    """Somebody does not answer, or refuses: asking again may help."""


@dataclass(frozen=True)
class Request:
    """What somebody asks: ``body`` is None of a GET; ``names`` are the hosts that the certificate of who asks is for."""

    path: str
    body: Any
    names: frozenset[str]


@dataclass(frozen=True)
class Identity:
    """A member's certificate and key, and the authority of all of them: paths of PEM files."""

    authority: str
    certificate: str
    key: str

    def trust(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        """TLS as a member among members, at the end for ``purpose``."""
        try:
            context = ssl.create_default_context(purpose, cafile=self.authority)
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise Failure(f"the certificates of the members cannot be read: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def call(self, url: str, body: Mapping[str, Any] | None = None) -> Any:
        """What a member answers to a GET, or to a POST of ``body``. Raises Unavailable where that is no success."""
        where = urlsplit(url)
        trust = self.trust(ssl.Purpose.SERVER_AUTH)
        connection = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=TIMEOUT_SECONDS, context=trust)
        try:
            connection.request("GET" if body is None else "POST", where.path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
            if response.status != HTTPStatus.OK:
                raise Unavailable(f"{where.netloc}{where.path} answers {response.status}: {text.strip()}")
            return json.loads(text)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable(f"{where.netloc}{where.path} does not answer: {error or type(error).__name__}") from error
        finally:
            connection.close()

    @contextmanager
    def answering(self, host: str, port: int, answer: Callable[[Request], Any]) -> Iterator[None]:
        """Answer, from threads of its own, whoever has a certificate of the authority; ``answer`` may raise Unavailable."""

        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT_SECONDS

            def do_GET(self) -> None:
                self.reply(lambda: None)

            def do_POST(self) -> None:
                self.reply(lambda: json.loads(self.rfile.read(min(int(self.headers["Content-Length"]), LONGEST_BODY))))

            def reply(self, body: Callable[[], Any]) -> None:
                try:
                    status, text = HTTPStatus.OK, json.dumps(answer(Request(self.path, body(), _names(self.connection))))
                except (Unavailable, KeyError, TypeError, ValueError) as refusal:
                    status, text = HTTPStatus.SERVICE_UNAVAILABLE, str(refusal)
                content = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # whoever is no member is refused, and that is all

        server = Server((host, port), Handler)
        # The handshake is left to the thread of its connection, so that nobody can hold up the others with one.
        server.socket = self.trust(ssl.Purpose.CLIENT_AUTH).wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


def _names(connection: Any) -> frozenset[str]:
    certificate = connection.getpeercert() or {}
    return frozenset(value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")
