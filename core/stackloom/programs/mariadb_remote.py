"""Copies of the backups outside the cluster, made by rclone: this asks the one that runs beside (``rclone rcd``).

Only files that were removed here on purpose are removed there, and of those only what was copied from here. What fails is done in
the next round.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any

from mariadb_store import MANIFEST, SEGMENT, Store, write
from program import Failure

ASK_SECONDS = 60.0
POLL_SECONDS = 0.2
_AFTER = {MANIFEST: 1, SEGMENT: 1, "covered": 2}
_SENT = "sent.json"


class Remote:
    """A folder that rclone knows as ``target``, like ``remote:bucket/folder``."""

    def __init__(self, store: Store, target: str, address: tuple[str, int]) -> None:
        self._store = store
        self._target = target.rstrip("/")
        self._address = address

    def follow(self) -> int:
        """Bring it up to date. Returns how many bytes were copied. Raises Failure, after everything was tried."""
        sent, failures, copied = self._sent(), [], 0
        for name, stamp, size in self._files():
            if sent.get(name) == stamp:
                continue
            try:
                self._do("operations/copyfile", srcFs=str(self._store.root), srcRemote=name, dstFs=self._target, dstRemote=name)
                sent[name] = stamp
                copied += size
            except Failure as failure:
                if (self._store.root / name).exists():
                    failures.append(str(failure))
            self._note(sent)
        gone = []
        for name in self._store.dropped():
            try:
                if name in sent:
                    self._do("operations/deletefile", fs=self._target, remote=name)
                    del sent[name]
                gone.append(name)
            except Failure as failure:
                failures.append(str(failure))
        self._note(sent)
        if gone:
            self._store.forget_dropped(gone)
        if failures:
            raise Failure(f"{len(failures)} files have not been copied or removed: {failures[0]}")
        return copied

    def _files(self) -> Iterator[tuple[str, str, int]]:
        """Name, stamp and size of all files that count. What describes others comes after them."""
        root = self._store.root
        files = [f for top in ("bases", "archive") for f in (root / top).rglob("*") if f.is_file()]
        names = [f.relative_to(root) for f in files if not any(part.startswith(".") for part in f.relative_to(root).parts)]
        for name in sorted(names, key=lambda name: (_AFTER.get(name.name, 0), str(name))):
            try:
                found = (root / name).stat()
            except OSError:
                continue  # removed meanwhile
            yield str(name), f"{found.st_size} {found.st_mtime_ns}", found.st_size

    def _sent(self) -> dict[str, str]:
        file = self._store.root / _SENT
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}

    def _note(self, sent: dict[str, str]) -> None:
        write(self._store.root / _SENT, json.dumps(sent))

    def _do(self, command: str, **parameters: str) -> None:
        """Have rclone do something, however long it takes. Raises Failure."""
        job = self._ask(command, {**parameters, "_async": True})["jobid"]
        while not (status := self._ask("job/status", {"jobid": job}))["finished"]:
            time.sleep(POLL_SECONDS)
        if not status["success"] and "not found" not in str(status["error"]):
            raise Failure(f"rclone: {status['error']}")
        if not status["success"] and command == "operations/copyfile":
            raise Failure(f"rclone: {status['error']}")

    def _ask(self, command: str, parameters: dict[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection(*self._address, timeout=ASK_SECONDS)
        try:
            connection.request("POST", f"/{command}", body=json.dumps(parameters), headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failure(f"rclone does not answer: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise Failure(f"rclone: {answer.get('error', response.status)}")
        return dict(answer)
