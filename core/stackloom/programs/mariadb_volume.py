"""What the volume of a MariaDB server holds, told from its files, and what is written there before MariaDB starts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from mariadb_view import VIEW_FILE, View, view_of

SAVED = "grastate.dat"
NO_UUID = "00000000-0000-0000-0000-000000000000"
UNDEFINED = -1
"""The position of a server that did not have the time to write it down."""

Kind = Literal["empty", "partial", "unknown", "clean", "crashed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TRANSFER_MARKS = frozenset({"sst_in_progress", ".sst"})
NO_DATA = frozenset({"lost+found"})
_SAVED = re.compile(r"^(uuid|seqno|safe_to_bootstrap):[ \t]*(\S+)", re.MULTILINE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RECOVERED = re.compile(rf"WSREP: Recovered position: ?({_UUID.pattern}):(-?\d+)(\S*)")


@dataclass(frozen=True)
class Position:
    """What a volume holds, and up to where of which history.

    ``empty``: nothing. ``partial``: a copy of another server's data that was not finished. ``unknown``: data that do not say what
    they are. ``clean``, ``crashed``: a server's own data, after MariaDB was stopped or not. Only the last two are worth starting
    from. ``gtid`` is what MariaDB adds to a recovered position, with its comma.
    """

    kind: Kind
    uuid: str = ""
    seqno: int = UNDEFINED
    safe_to_bootstrap: bool = False
    gtid: str = ""

    @property
    def start(self) -> str:
        """The position as MariaDB takes it when it starts; "" where there is none."""
        return f"{self.uuid}:{self.seqno}{self.gtid}" if self.seqno != UNDEFINED else ""


def classify(entries: Collection[str], saved: str, *, receiving: bool) -> Position:
    """What a data directory with these entries holds, where ``saved`` is the text of its grastate.dat ("": none).

    ``receiving`` says that a copy into it was begun and not finished. Galera's own marks for that can be gone.
    """
    if receiving or TRANSFER_MARKS & set(entries):
        return Position("partial")
    if not set(entries) - NO_DATA:
        return Position("empty")
    fields = dict(_SAVED.findall(saved))
    uuid = fields.get("uuid", "")
    if "mysql" not in entries or not _UUID.fullmatch(uuid) or not re.fullmatch(r"-?\d+", fields.get("seqno", "")):
        return Position("unknown")
    if uuid == NO_UUID:
        return Position("partial")  # Galera takes the identity away from data that must be replaced
    seqno = int(fields["seqno"])
    return Position("clean" if seqno >= 0 else "crashed", uuid, max(seqno, UNDEFINED), fields.get("safe_to_bootstrap") == "1")


def recovered(position: Position, log: str) -> Position:
    """A crashed position with what ``mariadbd --wsrep-recover`` logged of it: unknown, if that is nothing or another history."""
    found = _RECOVERED.findall(log)
    if not found or found[-1][0] != position.uuid or int(found[-1][1]) < 0:
        return Position("unknown")
    return replace(position, seqno=int(found[-1][1]), gtid=found[-1][2])


class Volume:
    """What is on the disk: the data, and marks beside them that say what the data themselves do not."""

    def __init__(self, path: Path) -> None:
        self.data = path / "data"
        self.fresh = path / "new"
        self.replaced = path / "replaced"
        """The data that were there before others were restored from a backup."""
        self.replacing = path / "replacing"
        """The data are about to be replaced by fresh ones."""
        self.reported = path / "reported"
        """There may be a report of this server in the ConfigMap."""
        self.receiving = path / "receiving"
        """The data are being copied from another server."""
        self.member = path / "member"
        """The server has been registered as a member."""
        self.view_record = path / VIEW_FILE
        """The last primary view of the cluster that MariaDB was told of."""
        self.view_aside = path / "view-aside"
        """The one before the data were about to change, with the position that they had: it holds if they did not."""

    def position(self) -> Position:
        """What the files say."""
        entries = {entry.name for entry in self.data.iterdir()} if self.data.exists() else set[str]()
        saved = self.data / SAVED
        text = saved.read_text(encoding="utf-8", errors="replace") if saved.exists() else ""
        return classify(entries, text, receiving=self.receiving.exists())

    def view(self, position: Position) -> View | None:
        """The last primary view that is known to belong to the data, which are at this position."""
        if self.view_record.exists():
            return view_of(self.view_record.read_text(encoding="utf-8", errors="replace"))
        if not self.view_aside.exists():
            return None
        place, _, record = self.view_aside.read_text(encoding="utf-8", errors="replace").partition("\n")
        return view_of(record) if place and place == _place(position) else None

    def set_view_aside(self, position: Position) -> None:
        """Have no view, as data at this position may change now without one. If they do not, it counts as before.

        The event of a view is part of the position: data at the same one have been told of no other view.
        """
        if self.view_record.exists():
            new = self.view_aside.with_suffix(".new")
            write_synced(new, f"{_place(position)}\n{self.view_record.read_text(encoding='utf-8', errors='replace')}")
            new.rename(self.view_aside)
            unmark(self.view_record)

    def replace(self) -> None:
        """Put the fresh data in the place of the data, which are kept."""
        shutil.rmtree(self.replaced, ignore_errors=True)
        os.sync()
        mark(self.replacing)
        if self.data.exists():
            self.data.rename(self.replaced)
        self.fresh.rename(self.data)
        unmark(self.receiving)
        unmark(self.replacing)

    def undo_replacing(self) -> None:
        """Put the data back where a replacement was begun and not finished."""
        if self.replacing.exists():
            if not self.data.exists() and self.replaced.exists():
                self.replaced.rename(self.data)
            unmark(self.replacing)

    def save(self, directory: Path, history: str, seqno: int) -> None:
        """Write Galera's own record of a position, as of one from which it may start a cluster. It is there as a whole or not."""
        text = f"# GALERA saved state\nversion: 2.1\nuuid:    {history}\nseqno:   {seqno}\nsafe_to_bootstrap: 1\n"
        new = directory / f"{SAVED}.new"
        write_synced(new, text)
        new.rename(directory / SAVED)
        sync(directory)


def _place(position: Position) -> str:
    return f"{position.uuid}:{position.seqno}" if position.kind in ("clean", "crashed") and position.seqno >= 0 else ""


def write_synced(path: Path, text: str) -> None:
    """Write a file that outlasts a crash."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def mark(path: Path) -> None:
    """Make a mark that outlasts a crash."""
    path.touch()
    sync(path.parent)


def unmark(path: Path) -> None:
    """Take a mark away."""
    path.unlink(missing_ok=True)
    sync(path.parent)


def sync(directory: Path) -> None:
    """Bring the names in a directory to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
