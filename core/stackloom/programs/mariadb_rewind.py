"""Data as they were at a time: a base, and the binary logs from it on, brought together where nobody else can reach them.

A time of which the archive does not know everything is refused, and so is a gap.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from calendar import timegm
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mariadb_archive import whole
from mariadb_binlog import Gtid, Log
from mariadb_scratch import Place, Scratch
from mariadb_store import Base, Segment, Store, chain_of, write
from mariadb_volume import sync
from program import Failure, say

LATEST = "latest"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True)
class Goal:
    """What to make: a base alone, or with everything that was confirmed ``before`` a time (None: with all there is)."""

    base: Base
    logs: bool
    before: int | None = None


@dataclass(frozen=True, kw_only=True)
class Restored:
    """Data that a server can start with: of which base, up to which transaction, and what was asked for."""

    id: str
    asked: str
    base: str
    gtid: str
    tables: int
    made: int


def parse_time(text: str) -> int:
    """Seconds since 1970 of a time like 2026-01-02T03:04:05Z. Raises Failure."""
    if _TIME.fullmatch(text):
        try:
            return timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
        except ValueError:
            pass
    raise Failure(f"{text!r} is no time: write it in UTC, like 2026-01-02T03:04:05Z")


def shown(seconds: int) -> str:
    """A time for people."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def goal(asked: str, bases: Sequence[Base], covered: dict[str, int]) -> Goal:
    """What is to be made for "latest", a base's id or a time. ``covered`` says of each history up to when it is archived.

    Raises Failure that says what there is instead.
    """
    by_id = {base.id: base for base in bases}
    if asked in by_id:
        return Goal(by_id[asked], logs=False)
    if not bases:
        raise Failure("there is no backup yet")
    if asked == LATEST:
        newest = max(covered, key=lambda history: covered[history], default=bases[-1].history)
        if newest != bases[-1].history:
            moment = shown(covered.get(bases[-1].history, bases[-1].finished))
            raise Failure(f"what was written last is in the history {newest}, of which there is no backup yet; ask for {moment}")
        return Goal(bases[-1], logs=bases[-1].history in covered)
    when = parse_time(asked)
    before = [base for base in bases if base.finished <= when]
    if not before:
        raise Failure(f"the oldest backup is of {shown(bases[0].finished)}, after {asked}")
    base = before[-1]
    until = covered.get(base.history, 0)
    if when > until:
        what = f"the binary logs after it are archived up to {shown(until)}" if until else "no binary logs after it are archived"
        raise Failure(f"the last backup before {asked} is {base.id}, and {what}")
    return Goal(base, logs=True, before=when)


def way(segments: Sequence[Segment], start: Gtid, before: int | None = None) -> list[Segment]:
    """The segments that lead on from a transaction (up to a time). Raises Failure where one is missing."""
    reached, found, covered = start.number, list[Segment](), 0
    for segment in segments:
        if segment.begins > reached and before is not None and before <= covered:
            return found
        covered = segment.covered
        if segment.ends <= reached:
            continue
        if segment.begins > reached:
            raise Failure(
                f"the archive has a gap: after {start.domain}-{start.server}-{reached} follows what comes after {segment.begins}"
            )
        found.append(segment)
        reached = segment.ends
    return found


class Rewind:
    """Makes such data. ``place`` is where."""

    def __init__(self, store: Store, place: Place) -> None:
        self._store = store
        self._place = place

    def make(self, asked: str) -> Restored:
        """Make data for what is asked, let them count, and remove those made before. Raises Failure."""
        bases = self._store.bases()
        chosen = goal(asked, bases, {history: self._store.covered(history) for history in self._store.histories()})
        base = chosen.base
        segments = way(self._store.segments(base.history), base.position, chosen.before) if chosen.logs else []
        say(f"restoring {asked}: {base.id} and {len(segments)} binary logs")
        place, copies = self._place, [(self._store.base_directory(b.id), b.files) for b in chain_of(bases, base)]
        shutil.rmtree(place.directory, ignore_errors=True)
        try:
            place.unpack(self._store.seal, copies)
            with place.running(base.position) as scratch:
                reached = self._replay(scratch, base, segments, chosen.before)
                tables = scratch.check()
            place.clean()
            made = int(time.time())
            restored = Restored(
                id=time.strftime("%Y%m%dt%H%M%Sz", time.gmtime(made)),
                asked=asked,
                base=base.id,
                gtid=str(reached),
                tables=tables,
                made=made,
            )
            self._keep(restored, place.data)
        finally:
            shutil.rmtree(place.directory, ignore_errors=True)
        say(f"restored {restored.id}: {tables} tables up to {reached}")
        return restored

    def known(self) -> list[Restored]:
        """What was made and is still there."""
        files = sorted(self._store.restored_directory.glob("[!.]*.json"))
        return [Restored(**json.loads(file.read_text(encoding="utf-8"))) for file in files]

    def _replay(self, scratch: Scratch, base: Base, segments: Sequence[Segment], before: int | None) -> Gtid:
        reached = base.position
        until = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(before)) if before is not None else ""
        for number in [segment.number for segment in segments]:
            with whole(self._store, base.history, number) as (_, log):
                with log.open("rb") as content:
                    wanted = Log(base.domain, before=before or 0)
                    wanted.read(content)
                if wanted.reached and wanted.reached.number > reached.number:
                    reached = scratch.replay(log, reached, until)
                    if reached != wanted.reached:
                        raise Failure(f"a binary log was brought in up to {reached}, and not up to {wanted.reached}")
            if wanted.stopped:
                break  # what follows was confirmed later, whatever its times say
        return reached

    def _keep(self, restored: Restored, data: Path) -> None:
        directory = self._store.restored_directory
        for old in list(directory.iterdir()):
            if old.suffix == ".json":
                old.unlink()
        for old in [entry for entry in directory.iterdir() if entry.is_dir()]:
            shutil.rmtree(old, ignore_errors=True)
        data.rename(directory / restored.id)
        sync(directory)
        write(directory / f"{restored.id}.json", json.dumps(asdict(restored), indent=1))

    def described(self) -> list[dict[str, Any]]:
        """The same, for people."""
        return [asdict(restored) for restored in self.known()]
