"""Asks the program that keeps the backups for something that takes long, and waits for its end."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from typing import Any

from mariadb_calls import Account, BrokenOff, Refused, call
from program import Failure, patiently, say

PAUSE_SECONDS = 1.0
WAIT_SECONDS = 600.0
"""How long it may be away or, when something is to begin, busy."""


class _Busy(Exception):
    pass


class Keeper:
    """It, at its address; ``secrets`` is the directory with the account to show."""

    def __init__(self, address: tuple[str, int], secrets: Path) -> None:
        self._address = address
        self._secrets = secrets

    def ask(self, path: str, body: Any = None) -> dict[str, Any]:
        """What comes of a task that a POST to ``path`` begins. Raises Failure when the task fails, or nobody answers."""
        number = patiently(lambda: self._begin(path, body), _Busy, seconds=WAIT_SECONDS, pause=PAUSE_SECONDS)
        while True:
            task = patiently(lambda: self._look(number), _Busy, seconds=WAIT_SECONDS, pause=PAUSE_SECONDS)
            if task["state"] == "failed":
                raise Failure(str(task["said"]))
            if task["state"] == "done":
                return dict(task["result"])
            time.sleep(PAUSE_SECONDS)

    def status(self) -> dict[str, Any]:
        """What there is. Raises Failure when nobody answers."""
        try:
            return call(self._address, "GET", "/status", self._account())
        except (BrokenOff, Refused) as error:
            raise Failure(str(error)) from error

    def _begin(self, path: str, body: Any) -> int:
        try:
            number = int(call(self._address, "POST", path, self._account(), body=body)["task"])
        except BrokenOff as error:
            raise _Busy(str(error)) from error
        except Refused as error:
            if error.status == http.client.CONFLICT:
                raise _Busy(str(error)) from error
            raise Failure(str(error)) from error
        say(f"{path} is under way")
        return number

    def _look(self, number: int) -> dict[str, Any]:
        try:
            return call(self._address, "GET", f"/tasks/{number}", self._account())
        except BrokenOff as error:
            raise _Busy(str(error)) from error
        except Refused as error:
            raise Failure(f"it was cut off, as what does it has started anew: {error}") from error

    def _account(self) -> Account:
        try:
            directory = self._secrets / "mariadb-sst"
            user, password = ((directory / key).read_text(encoding="utf-8").strip() for key in ("username", "password"))
        except OSError as error:
            raise Failure(f"{error.filename} cannot be read: {error.strerror}") from error
        return user, password
