"""An OpenID Connect provider on loopback: it describes itself, shows its keys and signs tokens for whom a test says."""

from __future__ import annotations

import base64
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

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.real.servers import LOOPBACK, free_port


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class OpenIdProvider:
    """A provider whose issuer is ``url``; ``asked`` are the paths that were requested of it."""

    url: str
    asked: list[str] = field(default_factory=list)
    _key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def description(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["id_token", "code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> dict[str, Any]:
        numbers = self._key.public_key().public_numbers()
        n, e = (_base64url(i.to_bytes((i.bit_length() + 7) // 8, "big")) for i in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": n, "e": e}]}

    def token(self, **claims: Any) -> str:
        """A signed token of a person whom these claims describe, good for a minute."""
        now = int(time.time())
        body = {"iss": self.url, "sub": "1", "iat": now, "exp": now + 60, "jti": secrets.token_hex(8), **claims}
        head = {"alg": "RS256", "typ": "JWT", "kid": "1"}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (head, body))
        return f"{signed}.{_base64url(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def answer(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        return {"/.well-known/openid-configuration": self.description, "/keys": self.keys}.get(path, lambda: None)()


@contextmanager
def openid_provider(certificate: tuple[Path, Path] | None = None, port: int | None = None) -> Iterator[OpenIdProvider]:
    """A provider while the context lasts; with a certificate and its key it is called over HTTPS."""
    port = port or free_port()
    provider = OpenIdProvider(f"{'https' if certificate else 'http'}://{LOOPBACK}:{port}")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = provider.answer(self.path)
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer((LOOPBACK, port), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
