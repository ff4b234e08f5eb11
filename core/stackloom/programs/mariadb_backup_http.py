"""How the program that keeps the backups is asked: see ``mariadb_backup.py``."""

from __future__ import annotations

import io
import json
import re
import tarfile
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from mariadb_calls import Account, Chunks, is_authorized, send_json
from mariadb_store import Store
from program import Failure, say

TIMEOUT_SECONDS = 10
LAST = "RESTORED"
_RESTORED = re.compile(r"/restored/([\w-]+)")
_TASK = re.compile(r"/tasks/(\d{1,9})")


class _Configured(Protocol):
    def account(self) -> Account: ...


class Asked(Protocol):
    """What can be asked for."""

    @property
    def store(self) -> Store:
        """The volume."""
        ...

    @property
    def config(self) -> _Configured:
        """Who may ask."""
        ...

    def begin_backup(self) -> int | None:
        """Begin a backup: the number of the task, None while another is under way."""
        ...

    def begin_restore(self, asked: str) -> int | None:
        """Begin a restore: likewise."""
        ...

    def task(self, number: int) -> dict[str, Any] | None:
        """How it stands with a task."""
        ...

    def status(self) -> dict[str, Any]:
        """What there is."""
        ...


def serve_tasks(address: tuple[str, int], keeper: Asked) -> None:
    """Listen, and answer in the background from now on."""

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_SECONDS

        def do_GET(self) -> None:
            self._authorized(self._get)

        def do_POST(self) -> None:
            self._authorized(self._post)

        def _authorized(self, answer: Any) -> None:
            try:
                if is_authorized(self, keeper.config.account()):
                    answer()
            except Failure as failure:
                send_json(self, HTTPStatus.SERVICE_UNAVAILABLE, str(failure))
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                say(f"{self.path}: an unexpected {type(error).__name__}: {error}")
                send_json(self, HTTPStatus.INTERNAL_SERVER_ERROR, "the log says what went wrong")

        def _get(self) -> None:
            if found := _TASK.fullmatch(self.path):
                task = keeper.task(int(found[1]))
                return send_json(
                    self, HTTPStatus.OK if task else HTTPStatus.NOT_FOUND, task or "there is no such task (any more)"
                )
            if found := _RESTORED.fullmatch(self.path):
                directory = keeper.store.restored_directory / found[1]
                if directory.with_name(f"{found[1]}.json").exists():
                    return send_tar(self, directory)
                return send_json(self, HTTPStatus.NOT_FOUND, f"nothing was restored under the id {found[1]}")
            if self.path == "/status":
                return send_json(self, HTTPStatus.OK, keeper.status())
            return send_json(self, HTTPStatus.NOT_FOUND, "there are /status, /tasks/<n> and /restored/<id>")

        def _post(self) -> None:
            try:
                length = int(self.headers.get("Content-Length") or 0)
                asked = json.loads(self.rfile.read(min(length, 2**16)) or b"{}")
                to = str(asked.get("to", ""))
            except (ValueError, AttributeError):
                return send_json(self, HTTPStatus.BAD_REQUEST, "this takes a JSON object")
            if self.path == "/backup":
                number = keeper.begin_backup()
            elif self.path == "/restore" and to:
                number = keeper.begin_restore(to)
            else:
                return send_json(self, HTTPStatus.BAD_REQUEST, 'POST goes to /backup, or to /restore with {"to": ...}')
            if number is None:
                return send_json(self, HTTPStatus.CONFLICT, "a backup or a restore is under way")
            return send_json(self, HTTPStatus.ACCEPTED, {"task": number})

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # who asked has gone

    threading.Thread(target=Server(address, Handler).serve_forever, daemon=True).start()


def send_tar(handler: BaseHTTPRequestHandler, directory: Path) -> None:
    """Send a data directory. Its last entry says that it is complete."""
    with suppress(OSError):
        chunks = Chunks(handler, {"Content-Type": "application/x-tar"})
        with tarfile.open(fileobj=_Writer(chunks), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for entry in sorted(directory.iterdir()):
                tar.add(entry, entry.name, filter=_anonymous)
            tar.addfile(tarfile.TarInfo(LAST))
        chunks.finish()


class _Writer(io.RawIOBase):
    def __init__(self, chunks: Chunks) -> None:
        super().__init__()
        self._chunks = chunks

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._chunks.write(bytes(data))


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
