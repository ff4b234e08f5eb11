"""What of HashiCorp Vault's API a store of secrets uses: the log-in of an AppRole, and version 2 of KV.

It refuses what Vault refuses: wrong ids, a token that is unknown or has expired, another namespace, a path that is not mounted.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = tuple[int, Any]


@dataclass
class Vault:
    """Its state. ``tokens`` are those that were given out, by when they expire; ``held`` is each secret's versions by path."""

    role_id: str
    secret_id: str
    namespace: str
    mountpoint: str
    lease_seconds: int = 3
    tokens: dict[str, float] = field(default_factory=dict)
    held: dict[str, list[dict[str, Any] | None]] = field(default_factory=dict)
    sealed: bool = False

    def answer(self, method: str, path: str, token: str, namespace: str, body: Any) -> Answer:
        """What Vault answers to a request."""
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if namespace.strip("/") != self.namespace:
            return 404, {"errors": [f"no handler for route {path!r}. route entry not found."]}
        if path == "auth/approle/login" and method in ("POST", "PUT"):
            return self._log_in(body)
        if self.tokens.get(token, 0.0) < time.monotonic():
            return 403, {"errors": ["permission denied"]}
        mount = f"{self.mountpoint}/data/"
        if not path.startswith(mount):
            return 404, {"errors": [f"no handler for route {path!r}. route entry not found."]}
        return self._secret(method, path.removeprefix(mount), body)

    def _log_in(self, body: Any) -> Answer:
        if (body.get("role_id"), body.get("secret_id")) != (self.role_id, self.secret_id):
            return 400, {"errors": ["invalid role or secret ID"]}
        token = f"hvs.{secrets.token_urlsafe(24)}"
        self.tokens[token] = time.monotonic() + self.lease_seconds
        return 200, {"auth": {"client_token": token, "lease_duration": self.lease_seconds, "renewable": True}}

    def _secret(self, method: str, path: str, body: Any) -> Answer:
        versions = self.held.get(path, [])
        if method in ("POST", "PUT"):
            if not isinstance(body.get("data"), dict):
                return 400, {"errors": ["no data provided"]}
            self.held[path] = [*versions, body["data"]]
            return 200, {"data": self._metadata(path)}
        if not versions:
            return 404, {"errors": []}
        if method == "DELETE":
            versions[-1] = None
            return 204, None
        return 200 if versions[-1] else 404, {"data": {"data": versions[-1], "metadata": self._metadata(path)}}

    def _metadata(self, path: str) -> dict[str, Any]:
        versions = self.held[path]
        return {"version": len(versions), "destroyed": False, "deletion_time": "" if versions[-1] else "2000-01-01T00:00:00Z"}


@contextmanager
def served(vault: Vault, address: tuple[str, int], certificate: Path, key: Path) -> Iterator[None]:
    """Serve it by TLS at an address while this lasts."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            headers = (self.headers.get("X-Vault-Token", ""), self.headers.get("X-Vault-Namespace", ""))
            status, answer = vault.answer(self.command, self.path.removeprefix("/v1/"), *headers, body)
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(address, Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
