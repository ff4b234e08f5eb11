"""A client that writes one row after another, and remembers what was confirmed to it."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import pymysql

from tests.real.galera_server import Connection, wait_for

INSERT = "INSERT INTO tests.acknowledged VALUES (%s, %s)"


class Database(Protocol):
    """What is written to."""

    def open(self) -> Connection | None:
        """A new connection; None where there is nobody to connect to."""

    def said(self) -> str:
        """What to tell when nothing is confirmed."""


@dataclass
class Writer:
    """Writes one row after another over a connection that it keeps as long as that works, as clients do."""

    database: Database
    acknowledged: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def _write(self) -> None:
        connection = None
        while not self._end.is_set():
            number = random.getrandbits(62)
            try:
                connection = connection or self.database.open()
                if connection is None:
                    self._end.wait(0.05)
                    continue
                with connection.cursor() as cursor:
                    cursor.execute(INSERT, (number, str(number)))
                self.acknowledged.append(number)
                self.times.append(time.monotonic())
            except (pymysql.MySQLError, OSError):
                if connection is not None:
                    with suppress(pymysql.MySQLError, OSError):
                        connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def __enter__(self) -> Writer:
        self._end.clear()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        assert self._thread is not None
        self._thread.join(timeout=15)

    def rows(self, count: int = 20) -> None:
        """Wait until so many more rows are confirmed."""
        wanted = len(self.acknowledged) + count
        wait_for("rows are confirmed", lambda: len(self.acknowledged) >= wanted, log=self.database.said)

    def pause_after(self, moment: float) -> float:
        """The longest time without a confirmation since ``moment``."""
        times = [moment, *(t for t in list(self.times) if t > moment)]
        return max(later - earlier for earlier, later in pairwise(times))
