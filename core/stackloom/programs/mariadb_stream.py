"""What a MariaDB server gives for backups, over its agent: a copy of its data, and its binary logs. Runs in the server's Pod.

- ``GET /backup`` is a copy as mariadb-backup streams it (mbstream). With ``lsn`` and ``identity``, as an answer before has given
  them, it has only what changed since; 409 if these data have been replaced meanwhile, or another copy is under way.
- ``POST /binlogs`` tells of the binary logs and where the last one ends; with ``{"rotate": true}`` it ends the last one first.
- ``GET /binlog?name=...&from=...&to=...`` is that piece of a binary log, as it is on the disk.

While it is copied the server may lag behind the others, which do not wait for it (wsrep_desync).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pymysql
from mariadb_calls import STALL_SECONDS, Chunks, is_authorized, send_json
from mariadb_options import Settings, write_private
from mariadb_sealed import pipe
from program import Failure, say

BLOCK = 2**20
SQL_SECONDS = 60
IDENTITY = "stackloom-identity"
_LOG_NAME = re.compile(r"[\w.-]+\.\d{6,}")


class Streams:
    """The endpoints of one server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data = settings.volume / "data"
        self._copying = threading.Lock()

    def answer(self, handler: BaseHTTPRequestHandler) -> bool:
        """Answer a request if it is for one of these endpoints. Returns whether it was."""
        url = urlsplit(handler.path)
        known = {("GET", "/backup"): self._backup, ("POST", "/binlogs"): self._binlogs, ("GET", "/binlog"): self._binlog}
        endpoint = known.get((handler.command, url.path))
        if endpoint is None:
            return False
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        try:
            if is_authorized(handler, self._settings.account("mariadb-sst")):
                endpoint(handler, query)
        except (pymysql.MySQLError, Failure) as error:
            send_json(handler, HTTPStatus.SERVICE_UNAVAILABLE, f"{self._settings.pod} cannot: {error}")
        return True

    # -- A copy of the data ----------------------------------------------------------------------------------------------

    def _backup(self, handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        lsn = query.get("lsn", "")
        if lsn and (not lsn.isdigit() or query.get("identity") != self._identity()):
            return send_json(
                handler, HTTPStatus.CONFLICT, f"the data of {self._settings.pod} are not those that were copied then"
            )
        if not self._copying.acquire(blocking=False):
            return send_json(handler, HTTPStatus.CONFLICT, f"another copy of {self._settings.pod} is under way")
        try:
            self._desync(on=True)
            try:
                complete = self._stream(handler, lsn)
            finally:
                self._resync()
        finally:
            self._copying.release()
        if complete is not None:
            complete.finish()
        return None

    def _stream(self, handler: BaseHTTPRequestHandler, lsn: str) -> Chunks | None:
        """Send a copy. Returns the answer if it is complete and only its end is to be told."""
        scratch = self._settings.run / "backup"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        log = self._settings.run / "mariadb-backup.log"
        headers = {"Content-Type": "application/octet-stream", "X-Identity": self._identity()}
        say(f"copying the data {f'that changed since LSN {lsn}' if lsn else 'as a whole'}")
        chunks = Chunks(handler, headers)
        with log.open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603
                self._command(scratch, lsn),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
            try:
                while block := os.read(pipe(process.stdout).fileno(), BLOCK):
                    chunks.write(block)
                if process.wait() == 0:
                    say("the data have been copied")
                    return chunks
                said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                say(f"mariadb-backup ended with {process.returncode}: {'; '.join(said[-3:])}")
            except OSError as error:
                say(f"who asked for a copy has gone: {error}")
            finally:
                _end(process)
                shutil.rmtree(scratch, ignore_errors=True)
        return None

    def _command(self, scratch: Path, lsn: str) -> list[str]:
        user, password = self._settings.account("mariadb-sst")
        options = self._settings.run / "backup.cnf"
        account = f'[mariadb-backup]\nuser = "{user}"\npassword = "{password}"\n'
        write_private(options, f"!include {self._settings.run / 'mariadbd.cnf'}\n{account}")
        return [
            "mariadb-backup",
            f"--defaults-file={options}",
            "--backup",
            "--galera-info",
            "--stream=mbstream",
            f"--target-dir={scratch}",
            f"--datadir={self._data}",
            f"--socket={self._settings.run / 'mysqld.sock'}",
            *([f"--incremental-lsn={lsn}"] if lsn else []),
        ]

    def _identity(self) -> str:
        """What tells these data from any that replace them: a copy from another server brings no such file."""
        file = self._data / IDENTITY
        if not file.exists():
            write_private(file, secrets.token_hex(16))
        return file.read_text(encoding="utf-8").strip()

    def _desync(self, *, on: bool) -> None:
        connection = self._connect()
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SET GLOBAL wsrep_desync = {'ON' if on else 'OFF'}")

    def _connect(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        user, password = self._settings.account("mariadb-admin")
        socket = str(self._settings.run / "mysqld.sock")
        return pymysql.connect(
            unix_socket=socket, user=user, password=password, connect_timeout=2, read_timeout=SQL_SECONDS, autocommit=True
        )

    def _resync(self) -> None:
        """Let the others wait for this server again. When MariaDB is gone there is nothing to undo."""
        for _ in range(30):
            with suppress(pymysql.MySQLError, OSError):
                return self._desync(on=False)
            time.sleep(1)
        return say("MariaDB has gone while its data were copied")

    # -- Binary logs -----------------------------------------------------------------------------------------------------

    def _binlogs(self, handler: BaseHTTPRequestHandler, _query: dict[str, str]) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        asked = json.loads(handler.rfile.read(min(length, 2**16)) or b"{}")
        connection = self._connect()
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@wsrep_gtid_domain_id, UNIX_TIMESTAMP()")
            domain, now = cursor.fetchone() or (0, 0)
            # What others had confirmed by then has been applied here, too, once this is answered.
            cursor.execute("SET SESSION wsrep_sync_wait = 1")
            cursor.execute("SELECT 1")
            if asked.get("rotate"):
                cursor.execute("FLUSH LOCAL BINARY LOGS")
            cursor.execute("SHOW MASTER STATUS")
            last, position = (cursor.fetchone() or ("", 0))[:2]
            cursor.execute("SHOW BINARY LOGS")
            logs = {str(row[0]): int(row[1]) for row in cursor.fetchall()}
            cursor.execute("SHOW STATUS LIKE 'wsrep_cluster_state_uuid'")
            _, history = cursor.fetchone() or ("", "")
        # The last log may have grown since: it counts up to where it was looked at, and one begun since not at all.
        names = list(logs)
        counted = {name: position if name == last else logs[name] for name in names[: names.index(last) + 1]}
        said: dict[str, Any] = {
            "identity": self._identity(),
            "history": history,
            "domain": int(domain),
            "time": int(now),
            "logs": counted,
        }
        send_json(handler, HTTPStatus.OK, said)

    def _binlog(self, handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        name, start, end = query.get("name", ""), query.get("from", ""), query.get("to", "")
        if not (_LOG_NAME.fullmatch(name) and start.isdigit() and end.isdigit()):
            return send_json(handler, HTTPStatus.BAD_REQUEST, "say which piece: name, from, to")
        try:
            file = (self._data / name).open("rb")
        except OSError:
            return send_json(handler, HTTPStatus.NOT_FOUND, f"{self._settings.pod} has no binary log {name}")
        with file, suppress(OSError):
            handler.connection.settimeout(STALL_SECONDS)
            file.seek(int(start))
            left = int(end) - int(start)
            chunks = Chunks(handler, {"Content-Type": "application/octet-stream"})
            while left > 0 and (block := file.read(min(BLOCK, left))):
                chunks.write(block)
                left -= len(block)
            if left <= 0:
                chunks.finish()
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what may still run, with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
