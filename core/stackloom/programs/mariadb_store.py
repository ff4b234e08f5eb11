"""What lies on the volume of the backups, and for how long.

- ``bases/<id>/``: a copy of all data, or of what changed since its ``parent``: ``manifest.json`` and one sealed file.
- ``archive/<history>/<number>/``: a binary log of a server: ``segment.json`` and sealed pieces of it, one once it is closed.
- ``archive/<history>/covered``: up to when all that was confirmed is in there, in seconds since 1970.
- ``restored/<id>/``: data made from these, for servers to start with; ``restored/<id>.json`` says what they hold.
- ``dropped``: the names of files that were removed on purpose, for whoever has copied them elsewhere.
- ``scratch/``, and names that begin with ``.``: unfinished work.

A directory gets its name when it is complete and on the disk, so that whatever is cut off in the middle does not count.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mariadb_binlog import Gtid, Log
from mariadb_sealed import Seal, Unsound
from mariadb_volume import sync
from program import say

Entry = Mapping[str, Any]
Kind = Literal["full", "incremental"]

MANIFEST, SEGMENT = "manifest.json", "segment.json"


@dataclass(frozen=True, kw_only=True)
class Base:
    """A copy of the data as they were at ``gtid``, which is not later than ``finished`` (seconds since 1970).

    ``history`` and ``seqno`` are Galera's position. ``identity`` and ``to_lsn`` say on what the next incremental one builds.
    """

    id: str
    kind: Kind
    parent: str
    server: str
    identity: str
    history: str
    seqno: int
    gtid: str
    domain: int
    from_lsn: int
    to_lsn: int
    version: str
    started: int
    finished: int
    tables: int
    raw_size: int
    files: Sequence[Entry]

    @property
    def position(self) -> Gtid:
        """Its last transaction."""
        return Gtid.parse(self.gtid, self.domain)

    @property
    def size(self) -> int:
        """What it takes on the disk."""
        return sum(int(entry["size"]) for entry in self.files)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A binary log in the archive, as far as it is there.

    Where a gap follows, ``covered`` is up to when everything before it is there, in seconds since 1970.
    """

    number: int
    server: str
    identity: str
    file: str
    closed: bool
    log: Log
    pieces: Sequence[Entry] = field(default=())
    covered: int = 0

    @property
    def begins(self) -> int:
        """The number of the transaction on which it follows."""
        return self.log.begins.number if self.log.begins else 0

    @property
    def ends(self) -> int:
        """The number of its last transaction."""
        return self.log.ends.number if self.log.ends else 0


class Store:
    """The volume."""

    def __init__(self, root: Path, seal: Seal) -> None:
        self.root = root
        self.seal = seal
        self.bases_directory = root / "bases"
        self.archive_directory = root / "archive"
        self.restored_directory = root / "restored"
        self.scratch = root / "scratch"
        self._distrusted: set[str] = set()
        self.lock = threading.RLock()
        """Held while pieces of the archive are read or change."""

    def begin(self) -> None:
        """Make what is missing, and remove what a crash has left."""
        for directory in (self.bases_directory, self.archive_directory, self.restored_directory):
            directory.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        known = {f"{entry.stem}" for entry in self.restored_directory.glob("*.json")}
        for entry in [*self.bases_directory.iterdir(), *self.restored_directory.iterdir()]:
            orphan = entry.parent == self.restored_directory and entry.is_dir() and entry.name not in known
            if entry.name.startswith(".") or orphan:
                say(f"removing {entry}, which was not finished")
                _remove(entry)
        for history in self.histories():
            for segment in self.segments(history):
                self._tidy(self.segment_directory(history, segment.number), segment)

    # -- Bases -----------------------------------------------------------------------------------------------------------

    def bases(self) -> list[Base]:
        """Those that count, oldest first. What cannot be trusted is named and left out."""
        found = []
        for file in sorted(self.bases_directory.glob(f"[!.]*/{MANIFEST}")):
            try:
                found.append(Base(**self.seal.check(_read(file), str(file))))
            except (Unsound, TypeError) as error:
                self._distrust(f"{file.parent.name} does not count: {error}")
        return sorted(found, key=lambda base: (base.started, base.id))

    def base_directory(self, base_id: str) -> Path:
        """Where one lies."""
        return self.bases_directory / base_id

    def new_base(self, base_id: str) -> Path:
        """A directory for one that is being made."""
        directory = self.bases_directory / f".{base_id}"
        directory.mkdir()
        return directory

    def add_base(self, base: Base) -> None:
        """Let one count that was made and checked."""
        unfinished = self.bases_directory / f".{base.id}"
        write(unfinished / MANIFEST, json.dumps(self.seal.sign(asdict(base)), indent=1))
        unfinished.rename(self.base_directory(base.id))
        sync(self.bases_directory)

    def drop_base(self, base_id: str) -> None:
        """Remove one; it does not count from the first moment on."""
        gone = self.bases_directory / f".{base_id}"
        self._drop(self.base_directory(base_id))
        self.base_directory(base_id).rename(gone)
        sync(self.bases_directory)
        _remove(gone)

    # -- Archive ---------------------------------------------------------------------------------------------------------

    def histories(self) -> list[str]:
        """The histories of which there is an archive."""
        return sorted(entry.name for entry in self.archive_directory.iterdir() if entry.is_dir())

    def segments(self, history: str) -> list[Segment]:
        """Those of a history, oldest first. One that cannot be trusted is left out, which makes a gap."""
        found = []
        for file in sorted((self.archive_directory / history).glob(f"*/{SEGMENT}")):
            try:
                found.append(_segment(self.seal.check(_read(file), str(file))))
            except (Unsound, TypeError) as error:
                self._distrust(str(error))
        return found

    def next_number(self, history: str) -> int:
        """The number of the next segment."""
        directory = self.archive_directory / history
        numbers = [int(entry.name) for entry in directory.iterdir() if entry.name.isdigit()] if directory.exists() else []
        return max(numbers, default=0) + 1

    def segment_directory(self, history: str, number: int) -> Path:
        """Where one lies."""
        return self.archive_directory / history / f"{number:08d}"

    def segment(self, history: str, number: int) -> Segment:
        """One of them, as it is now."""
        file = self.segment_directory(history, number) / SEGMENT
        return _segment(self.seal.check(_read(file), str(file)))

    def put_segment(self, history: str, segment: Segment) -> None:
        """Let what was added to a segment count."""
        directory = self.segment_directory(history, segment.number)
        with self.lock:
            write(directory / SEGMENT, json.dumps(self.seal.sign(asdict(segment)), indent=1))
            self._tidy(directory, segment)

    def drop_segment(self, history: str, number: int) -> None:
        """Remove one: its description first."""
        directory = self.segment_directory(history, number)
        with self.lock:
            self._drop(directory)
            (directory / SEGMENT).unlink(missing_ok=True)
            sync(directory)
            _remove(directory)

    def drop_history(self, history: str) -> None:
        """Remove an archive."""
        self._drop(self.archive_directory / history)
        _remove(self.archive_directory / history)

    def covered(self, history: str) -> int:
        """Up to when everything is in the archive, in seconds since 1970; 0 where that is not known."""
        file = self.archive_directory / history / "covered"
        return int(file.read_text()) if file.exists() else 0

    def cover(self, history: str, until: int) -> None:
        """Note up to when everything is in the archive."""
        write(self.archive_directory / history / "covered", str(until))

    def _distrust(self, what: str) -> None:
        if what not in self._distrusted:
            self._distrusted.add(what)
            say(what)

    # -- What was removed ------------------------------------------------------------------------------------------------

    def dropped(self) -> list[str]:
        """The names, below the volume, of files that were removed on purpose."""
        file = self.root / "dropped"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def forget_dropped(self, names: Iterable[str]) -> None:
        """Nobody needs to know of these any more."""
        with self.lock:
            done = set(names)
            write(self.root / "dropped", "".join(f"{name}\n" for name in self.dropped() if name not in done))

    def _drop(self, *paths: Path) -> None:
        files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
        names = [str(file.relative_to(self.root)) for file in files if not file.name.startswith(".")]
        if names:
            with self.lock:
                write(self.root / "dropped", "".join(f"{name}\n" for name in [*self.dropped(), *names]))

    def _tidy(self, directory: Path, segment: Segment) -> None:
        wanted = {SEGMENT, *(str(entry["name"]) for entry in segment.pieces)}
        unwanted = [entry for entry in directory.iterdir() if entry.name not in wanted]
        self._drop(*unwanted)
        for entry in unwanted:
            entry.unlink()


def superfluous(bases: Sequence[Base], keep: int) -> list[str]:
    """The ids of bases that are older than the newest ``keep`` full ones: those that build on another come first."""
    full = [base for base in bases if base.kind == "full"]
    oldest = full[-keep].started if len(full) > keep else 0
    parents = {base.id: base.parent for base in bases}
    started = {base.id: base.started for base in bases}

    def root(base_id: str) -> str:
        while parents.get(base_id):
            base_id = parents[base_id]
        return base_id

    return [base.id for base in reversed(bases) if started.get(root(base.id), 0) < oldest]


def obsolete(segments: Sequence[Segment], bases: Iterable[Base]) -> list[int]:
    """The numbers of closed segments in which nothing comes after the oldest of ``bases``, which are of their history."""
    oldest = min(bases, key=lambda base: base.position.number, default=None)
    if oldest is None:
        return []
    passed = [segment for segment in segments if segment.closed and segment.ends <= oldest.position.number]
    # What is known of the time before a gap is needed as long as that time can be asked for.
    return [segment.number for segment in passed if segment.covered <= oldest.finished]


def chain_of(bases: Sequence[Base], base: Base) -> list[Base]:
    """What must be put together for this base: a full one, and those that build on it. Raises Unsound if one is missing."""
    by_id = {known.id: known for known in bases}
    chain = [base]
    while chain[0].kind == "incremental":
        if chain[0].parent not in by_id:
            raise Unsound(f"{base.id} builds on {chain[0].parent}, which is not there")
        chain.insert(0, by_id[chain[0].parent])
    return chain


def write(path: Path, text: str) -> None:
    """Write a file, so that it is there as a whole or as it was."""
    new = path.with_name(f".{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync(path.parent)


def _segment(document: Mapping[str, Any]) -> Segment:
    log = document["log"]
    gtids = {key: Gtid(**log[key]) if log[key] else None for key in ("begins", "ends", "reached")}
    return replace(Segment(**document), log=Log(**{**log, **gtids}))


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unsound(f"{file} cannot be read") from error
    if not isinstance(document, dict):
        raise Unsound(f"{file} cannot be read")
    return document


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def disk_use(path: Path) -> int:
    """The bytes of all files below."""

    def files() -> Iterator[int]:
        for directory, _, names in os.walk(path):
            for name in names:
                try:
                    yield Path(directory, name).lstat().st_size
                except OSError:
                    continue

    return sum(files())
