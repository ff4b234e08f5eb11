"""HTTP between the servers of MariaDB, the program that keeps the backups, and those who ask it: who may call, and long answers.

Callers show the account ``mariadb-sst`` (HTTP Basic), which lets nobody into MariaDB from outside a server's own Pod.
"""

from __future__ import annotations

import base64
import hmac
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

Account = tuple[str, str]

STALL_SECONDS = 600.0
"""How long either side of a long answer may stand still."""


class Refused(Exception):
    """The other side answered, and did not do what it was asked to. ``status`` is that of HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class BrokenOff(Exception):
    """The other side does not answer, or has stopped in the middle."""


def authorization(account: Account) -> str:
    """The header by which a caller shows its account."""
    return "Basic " + base64.b64encode(":".join(account).encode()).decode()


def is_authorized(handler: BaseHTTPRequestHandler, account: Account) -> bool:
    """Whether the caller has shown this account; if not, it has been told so. Takes as long whatever is wrong."""
    shown = handler.headers.get("Authorization", "")
    if hmac.compare_digest(shown.encode("utf-8", "replace"), authorization(account).encode()):
        return True
    send_json(handler, HTTPStatus.UNAUTHORIZED, "this takes the account mariadb-sst")
    return False


def send_json(handler: BaseHTTPRequestHandler, status: HTTPStatus, document: Any) -> None:
    """Answer with a document; a text is the reason of a refusal."""
    body = json.dumps(document).encode() + b"\n"
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


class Chunks:
    """An answer whose length nobody knows before its end. Without ``finish`` the caller sees that it was broken off."""

    def __init__(self, handler: BaseHTTPRequestHandler, headers: dict[str, str]) -> None:
        self._handler = handler
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = True
        handler.connection.settimeout(STALL_SECONDS)
        handler.send_response(HTTPStatus.OK)
        for name, value in {"Transfer-Encoding": "chunked", "Connection": "close", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    def write(self, data: bytes) -> int:
        """Send some of it. Raises OSError when the caller has gone."""
        if data:
            self._handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        return len(data)

    def finish(self) -> None:
        """That was all."""
        self._handler.wfile.write(b"0\r\n\r\n")


@contextmanager
def answered(
    address: tuple[str, int], method: str, path: str, account: Account, *, body: Any = None, timeout: float = 10.0
) -> Iterator[http.client.HTTPResponse]:
    """An answer, to be read in the context; ``timeout`` is how long the other side may be silent. Raises Refused, BrokenOff."""
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        headers = {"Authorization": authorization(account), "Content-Type": "application/json"}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        with connection.getresponse() as response:  # or what is not read keeps the other side waiting
            if response.status >= http.client.BAD_REQUEST:
                raise Refused(response.status, _reason(response.read()) or f"{path} answers {response.status}")
            yield response
    except (OSError, http.client.HTTPException) as error:
        raise BrokenOff(f"{address[0]}:{address[1]} broke off {path}: {error or type(error).__name__}") from error
    finally:
        connection.close()


def call(
    address: tuple[str, int], method: str, path: str, account: Account, *, body: Any = None, timeout: float = 10.0
) -> dict[str, Any]:
    """The document that is answered. Raises Refused, BrokenOff."""
    with answered(address, method, path, account, body=body, timeout=timeout) as response:
        text = response.read()
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise BrokenOff(f"{address[0]}:{address[1]} answers {path} with something else than was asked for")
    return document


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body))
    except ValueError:
        return ""
