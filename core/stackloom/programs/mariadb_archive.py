"""The archive of binary logs: all that the servers write, fetched again and again while they run.

It follows the log of one server, and goes on with another's where it must: a transaction has the same number on all of them. When
one is missing on every server that could be asked, there is a gap, and only a base that was made after it leads on.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

from mariadb_bases import Servers, Source
from mariadb_binlog import Damaged, Log
from mariadb_calls import STALL_SECONDS, Account, BrokenOff, Refused, answered, call
from mariadb_store import Segment, Store
from program import Failure, say

BLOCK = 2**20
ASK_SECONDS = 60.0
ROTATE_SECONDS = 3600
HEAD = 4096
"""So much of a log tells on which transaction it follows."""


@dataclass(frozen=True)
class Logs:
    """The binary logs of a server, oldest first, with how much of each counts; ``time`` is when that was all there was.

    Logs of the same name are the same only as long as the data have the same ``identity``.
    """

    source: Source
    identity: str
    history: str
    domain: int
    time: int
    sizes: Mapping[str, int]


class Archive:
    """Fetches binary logs. ``now`` is the clock, in seconds since 1970."""

    def __init__(self, store: Store, servers: Servers, account: Account, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._servers = servers
        self._account = account
        self._now = now

    def step(self) -> tuple[str, int]:
        """Fetch what is there. Returns the history, and up to when all of it is in the archive. Raises Failure."""
        sources = self._servers.sources(copied=True)
        if not sources:
            raise Failure("no server is in step with a cluster that has a majority")
        last = self._last(sources[0].history)
        # The server that was followed first: its log goes on where the archive ends.
        sources.sort(key=lambda source: last is None or source.pod != last.server)
        failures = []
        gapless: Logs | None = None
        for source in sources:
            try:
                logs = self._logs(source, last)
                gapless = gapless or logs
                if self._follow(logs, last):
                    self._store.cover(logs.history, logs.time)
                    return logs.history, logs.time
            except (Refused, BrokenOff, Damaged) as error:
                failures.append(f"{source.pod}: {error}")
        if failures or gapless is None:
            raise Failure("; ".join(failures) or "no server has answered")
        try:
            return self._leave_gap(gapless, last)
        except (Refused, BrokenOff, Damaged) as error:
            raise Failure(f"{gapless.source.pod}: {error}") from error

    def _last(self, history: str) -> Segment | None:
        directory = self._store.archive_directory / history
        segments = self._store.segments(history) if directory.exists() else []
        return segments[-1] if segments else None

    def _logs(self, source: Source, last: Segment | None) -> Logs:
        rotate = last is not None and not last.closed and self._now() - (last.log.first_time or self._now()) > ROTATE_SECONDS
        said = call(source.address, "POST", "/binlogs", self._account, body={"rotate": rotate}, timeout=ASK_SECONDS)
        if said["history"] != source.history:
            raise BrokenOff("it has become part of another history")
        return Logs(source, str(said["identity"]), str(said["history"]), int(said["domain"]), int(said["time"]), said["logs"])

    def _follow(self, logs: Logs, last: Segment | None) -> bool:
        """Fetch what comes after ``last``. Returns False if this server does not have the next transaction any more."""
        names = list(logs.sizes)
        if last is None:
            # The very first: what is older is in the first base.
            return self._fetch_new(logs, names[-1:])
        same = (last.server, last.identity) == (logs.source.pod, logs.identity)
        if same and logs.sizes.get(last.file, -1) >= last.log.size:
            at = names.index(last.file)
            if last.log.size < logs.sizes[last.file] or (not last.closed and at + 1 < len(names)):
                self._extend(logs, last, closed=at + 1 < len(names))
            return self._fetch_new(logs, names[at + 1 :])
        first = self._first_with(logs, names, last.ends)
        return first is not None and self._fetch_new(logs, names[first:], close=last)

    def _first_with(self, logs: Logs, names: Sequence[str], number: int) -> int | None:
        """The index of the last log that follows on ``number`` or an earlier transaction; None if all begin later."""
        for at in reversed(range(len(names))):
            head = Log(logs.domain)
            size = min(HEAD, logs.sizes[names[at]])
            with self._piece(logs, names[at], 0, size) as piece, suppress(Damaged):  # it may end within an event
                head.read(piece)
            if head.begins is not None and head.begins.number <= number:
                return at
        return None

    def _fetch_new(self, logs: Logs, names: Sequence[str], close: Segment | None = None) -> bool:
        if close is not None and not (close.closed and not close.covered):
            self._merge(logs.history, replace(close, closed=True))
        for name in names:
            number = self._store.next_number(logs.history)
            new = Segment(
                number=number, server=logs.source.pod, identity=logs.identity, file=name, closed=False, log=Log(logs.domain)
            )
            self._extend(logs, new, closed=name != list(logs.sizes)[-1])
        return True

    def _extend(self, logs: Logs, segment: Segment, *, closed: bool) -> None:
        """Add to a segment what its log has beyond it."""
        directory = self._store.segment_directory(logs.history, segment.number)
        directory.mkdir(parents=True, exist_ok=True)
        log, pieces = replace(segment.log), list(segment.pieces)
        size = logs.sizes[segment.file]
        if size > log.size:
            with self._piece(logs, segment.file, log.size, size) as piece:
                start = log.size
                log.read(piece)
                if log.size != size:
                    raise Damaged(f"{segment.file} has {log.size} bytes of {size}")
                piece.seek(0)
                path = directory / f"{start:012d}{self._store.seal.ending}"
                path.unlink(missing_ok=True)
                pieces.append(self._store.seal.write(path, piece.read))
        grown = replace(segment, log=log, pieces=pieces, closed=closed)
        if closed:
            self._merge(logs.history, grown)
        else:
            self._store.put_segment(logs.history, grown)

    def _merge(self, history: str, segment: Segment) -> None:
        """Make one file of all pieces of a segment to which nothing will be added."""
        directory = self._store.segment_directory(history, segment.number)
        self._store.put_segment(history, segment)
        if len(segment.pieces) > 1:
            path = directory / f"whole{self._store.seal.ending}"
            path.unlink(missing_ok=True)
            with whole(self._store, history, segment.number) as (_, file), file.open("rb") as content:
                segment = replace(segment, pieces=[self._store.seal.write(path, content.read)])
            self._store.put_segment(history, segment)

    def _leave_gap(self, logs: Logs, last: Segment | None) -> tuple[str, int]:
        if last is not None:
            last = replace(last, covered=self._store.covered(logs.history))
        say(f"a gap in the archive: no server has what comes after {last.log.ends if last else 'it'}; a new base is needed")
        self._fetch_new(logs, list(logs.sizes)[-1:], close=last)
        self._store.cover(logs.history, logs.time)
        return logs.history, logs.time

    @contextmanager
    def _piece(self, logs: Logs, name: str, start: int, end: int) -> Iterator[IO[bytes]]:
        """A piece of a log of a server, in a file that is gone afterwards. Raises Refused, BrokenOff."""
        path = f"/binlog?{urlencode({'name': name, 'from': start, 'to': end})}"
        with tempfile.TemporaryFile(dir=self._store.scratch) as file:
            with answered(logs.source.address, "GET", path, self._account, timeout=STALL_SECONDS) as response:
                while block := response.read(BLOCK):
                    file.write(block)
            file.seek(0)
            yield file


@contextmanager
def whole(store: Store, history: str, number: int) -> Iterator[tuple[Segment, Path]]:
    """A segment as it is now, and its log as one plain file that is gone afterwards. Raises Unsound, Failure."""
    with tempfile.NamedTemporaryFile(dir=store.scratch) as file:
        with store.lock:
            segment = store.segment(history, number)
            for entry in segment.pieces:
                with store.seal.read(store.segment_directory(history, number), entry) as content:
                    shutil.copyfileobj(content, file, BLOCK)
        file.flush()
        yield segment, Path(file.name)
