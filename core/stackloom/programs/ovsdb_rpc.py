"""Ask a server of Open vSwitch's family over its Unix socket: one request and its answer, in JSON-RPC.

The control socket of every daemon speaks it (``cluster/status``), and so does the socket of a database (``transact``).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Any

from members import Unavailable

TIMEOUT_SECONDS = 10.0


def call(path: str, method: str, parameters: Sequence[Any], *, first: Sequence[tuple[str, Sequence[Any]]] = ()) -> Any:
    """What the server behind the socket at ``path`` answers. Raises Unavailable where that is no success.

    ``first`` are requests that are made before, on the same connection.
    """
    requests = [{"id": i, "method": m, "params": list(p)} for i, (m, p) in enumerate([*first, (method, parameters)])]
    try:
        answer = _exchange(path, requests)
    except (OSError, ValueError) as error:
        raise Unavailable(f"{path} does not answer: {error}") from error
    if answer.get("error"):
        raise Unavailable(f"{method} is refused: {str(answer['error']).strip()}")
    return answer.get("result")


def transact(path: str, database: str, operations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results of a transaction, one for each operation. Raises Unavailable where one failed, and so all did."""
    results: list[dict[str, Any] | None] = call(path, "transact", [database, *operations])
    for result in results:
        if result and result.get("error"):
            raise Unavailable(f"the transaction is refused: {result['error']} {result.get('details', '')}".strip())
    return [result or {} for result in results]


def convert(path: str, database: str, schema: dict[str, Any]) -> None:
    """Convert a database to another schema. A client that did not say that it is aware of such changes would be cut off."""
    call(path, "convert", [database, schema], first=[("set_db_change_aware", [True])])


def _exchange(path: str, requests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The answer to the last request.

    It is whole when it is valid JSON: nothing else marks its end. What else the server says or asks meanwhile is passed over.
    """
    text, decoder = "", json.JSONDecoder()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(path)
        connection.sendall(b"".join(json.dumps(request).encode() for request in requests))
        while received := connection.recv(1 << 20):
            text += received.decode()
            while text := text.lstrip():
                try:
                    found, end = decoder.raw_decode(text)
                except ValueError:
                    break
                if "method" not in found and found.get("id") == requests[-1]["id"]:
                    answer: dict[str, Any] = found
                    return answer
                text = text[end:]
    raise ValueError("it hung up")
