"""What is decided about backups, without a database: which are made, kept and used."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mariadb_bases import Source, plan
from mariadb_binlog import MAGIC, Damaged, Gtid, Log
from mariadb_rewind import Goal, goal, parse_time, shown, way
from mariadb_sealed import Seal, Unsound
from mariadb_store import Base, Segment, Store, chain_of, obsolete, superfluous
from program import Failure

DAY = 24 * 3600


def base(day: int, number: int = 0, parent: str = "", **differs: Any) -> Base:
    """A backup of a day, up to a transaction."""
    kind = "incremental" if parent else "full"
    usual: dict[str, Any] = {
        "id": f"{day}-{kind}",
        "kind": kind,
        "parent": parent,
        "server": "mariadb-server-2",
        "identity": "one",
        "history": "h",
        "seqno": number,
        "gtid": f"100-1-{number}",
        "domain": 100,
        "from_lsn": 0,
        "to_lsn": 1,
        "version": "",
        "started": day * DAY,
        "finished": day * DAY + 60,
        "tables": 1,
        "raw_size": 1,
        "files": [],
    }
    return Base(**{**usual, **differs})


def segment(number: int, begins: int, ends: int, *, closed: bool = True, covered: int = 0) -> Segment:
    """A binary log in the archive."""
    log = Log(100, begins=Gtid(100, 1, begins), ends=Gtid(100, 1, ends))
    return Segment(
        number=number,
        server="mariadb-server-2",
        identity="one",
        file=f"log.{number:06d}",
        closed=closed,
        log=log,
        pieces=[],
        covered=covered,
    )


WEEK = [base(1), base(2, parent="1-full"), base(3, parent="2-incremental"), base(8), base(9, parent="8-full")]
HERE = Source("mariadb-server-2", ("host", 1), "h")


@pytest.mark.parametrize(
    ("bases", "source", "kind"),
    [
        ([], HERE, "full"),
        (WEEK, HERE, "incremental"),
        (WEEK, Source("mariadb-server-1", ("host", 1), "h"), "full"),
        (WEEK, Source("mariadb-server-2", ("host", 1), "another"), "full"),
        (WEEK[:3], HERE, "full"),
    ],
)
def test_an_incremental_copy_needs_the_same_server_the_same_history_and_a_young_full_one(
    bases: Sequence[Base], source: Source, kind: str
) -> None:
    assert plan(bases, source, incremental=True, cycle=7 * DAY, now=10 * DAY).kind == kind
    assert plan(bases, source, incremental=False, cycle=7 * DAY, now=10 * DAY).kind == "full"


def test_a_full_copy_takes_those_that_build_on_it_along() -> None:
    assert superfluous(WEEK, 2) == []
    assert superfluous(WEEK, 1) == ["3-incremental", "2-incremental", "1-full"]


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(1, 5))
def test_what_is_kept_can_be_restored_and_the_newest_is_always_kept(kinds: list[bool], keep: int) -> None:
    bases: list[Base] = []
    for day, full in enumerate(kinds):
        bases.append(base(day, parent="" if full or not bases else bases[-1].id))
    gone = superfluous(bases, keep)
    left = [b for b in bases if b.id not in gone]
    assert left[-1] == bases[-1]
    assert all(chain_of(left, b)[0].kind == "full" for b in left)
    assert sum(b.kind == "full" for b in left) == min(keep, sum(b.kind == "full" for b in bases))


def test_a_backup_whose_parent_is_missing_is_not_restored() -> None:
    with pytest.raises(Unsound, match="builds on 1-full, which is not there"):
        chain_of(WEEK[1:], WEEK[2])


def test_logs_go_when_the_oldest_backup_is_past_them() -> None:
    logs = [segment(1, 0, 5), segment(2, 5, 9), segment(3, 9, 12), segment(4, 12, 12, closed=False)]
    assert obsolete(logs, [base(2, 9), base(3, 11)]) == [1, 2]
    assert obsolete(logs, []) == []
    # What is known of the time before a gap stays as long as that time can be asked for.
    assert obsolete([segment(1, 0, 9, covered=3 * DAY)], [base(2, 9)]) == []
    assert obsolete([segment(1, 0, 9, covered=1 * DAY)], [base(2, 9)]) == [1]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), st.integers(0, 60), st.integers(0, 60))
def test_the_logs_that_are_used_never_leave_anything_out(lengths: list[int], start: int, keep: int) -> None:
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    logs = [segment(i, end - length, end) for i, (length, end) in enumerate(zip(lengths, ends, strict=True))]
    used = way(logs, Gtid(100, 1, start))
    assert [s for s in logs if s.ends > start] == used
    left = [s for s in logs if s.number not in obsolete(logs, [base(1, min(start, keep))])]
    assert way(left, Gtid(100, 1, start)) == used


def test_a_gap_is_never_passed_over_and_the_time_before_it_can_be_restored() -> None:
    logs = [segment(1, 0, 5, covered=5 * DAY), segment(2, 7, 9)]
    with pytest.raises(Failure, match="a gap: after 100-1-5 follows what comes after 7"):
        way(logs, Gtid(100, 1, 2))
    with pytest.raises(Failure, match="a gap"):
        way(logs, Gtid(100, 1, 2), before=6 * DAY)
    assert way(logs, Gtid(100, 1, 2), before=5 * DAY) == logs[:1]
    assert way(logs, Gtid(100, 1, 8)) == logs[1:]


def test_the_newest_backup_before_a_time_is_taken_if_the_logs_reach_it() -> None:
    asked = shown(3 * DAY)
    assert goal(asked, WEEK, {"h": 4 * DAY}) == Goal(WEEK[1], logs=True, before=3 * DAY)
    assert goal("latest", WEEK, {"h": 4 * DAY}) == Goal(WEEK[-1], logs=True)
    assert goal("latest", WEEK, {}) == Goal(WEEK[-1], logs=False)
    assert goal("8-full", WEEK, {"h": 4 * DAY}) == Goal(WEEK[3], logs=False)


@pytest.mark.parametrize(
    ("asked", "covered", "reason"),
    [
        (shown(1), {"h": 9 * DAY}, "the oldest backup is of 1970-01-02T00:01:00Z, after 1970-01-01T00:00:01Z"),
        (shown(3 * DAY), {"h": 2 * DAY}, "is 2-incremental, and the binary logs after it are archived up to 1970-01-03"),
        (shown(3 * DAY), {}, "no binary logs after it are archived"),
        ("latest", {"h": 9 * DAY, "new": 10 * DAY}, "in the history new, of which there is no backup yet; ask for 1970-01-10T"),
        ("2026-02-30T00:00:00Z", {"h": DAY}, "is no time"),
        ("2026-02-03 00:00:00", {"h": DAY}, "is no time"),
    ],
)
def test_a_time_of_which_not_everything_is_known_is_refused(asked: str, covered: dict[str, int], reason: str) -> None:
    with pytest.raises(Failure, match=reason):
        goal(asked, WEEK, covered)


@given(st.integers(0, 2**32))
def test_a_time_is_read_as_it_is_shown(seconds: int) -> None:
    assert parse_time(shown(seconds)) == seconds


def event(kind: int, body: bytes, when: int = 1, flags: int = 0) -> bytes:
    """An event of a binary log with its checksum, which does not cover the flag that says that the log is in use."""
    header = struct.pack("<IBIIIH", when, kind, 1, 19 + len(body) + 4, 0, flags)
    covered = header[:-2] + struct.pack("<H", flags & ~1) if kind == 15 else header
    return header + body + struct.pack("<I", zlib.crc32(body, zlib.crc32(covered)))


def log_of(*transactions: tuple[int, int], begins: int = 0) -> bytes:
    """A binary log with transactions, each given by its number and its time, after the one with the number ``begins``."""
    head = MAGIC + event(15, bytes(80) + b"\x01", flags=1) + event(163, struct.pack("<IIIQ", 1, 100, 1, begins))
    return head + b"".join(event(162, struct.pack("<QI", n, 100) + bytes(7), t) + event(16, bytes(8), t) for n, t in transactions)


def read(text: bytes, before: int = 0) -> Log:
    """What is known of a log."""
    log = Log(100, before=before)
    log.read(io.BytesIO(text))
    return log


def test_a_log_is_read_piece_by_piece_as_it_is_written() -> None:
    text = log_of((8, 10), (9, 20), begins=7)
    first = log_of((8, 10), begins=7)
    log = read(first)
    assert (log.begins, log.ends, log.size) == (Gtid(100, 1, 7), Gtid(100, 1, 8), len(first))
    log.read(io.BytesIO(text[log.size :]))
    assert (log.begins, log.ends, log.size) == (Gtid(100, 1, 7), Gtid(100, 1, 9), len(text))
    assert (log.first_time, log.last_time) == (10, 20)


@given(st.integers(0, 40))
def test_what_was_whole_before_a_time_is_known(before: int) -> None:
    log = read(log_of((8, 10), (9, 20), (10, 30), begins=7), before=before or 1)
    wanted = max([7, *(n for n, t in ((8, 10), (9, 20), (10, 30)) if t < before)])
    assert log.reached is None or log.reached.number == wanted


def test_an_event_that_has_room_for_no_checksum_is_damage() -> None:
    text = bytearray(log_of((8, 10), (9, 20), begins=7))
    second = 4 + struct.unpack_from("<I", text, 4 + 9)[0]
    struct.pack_into("<I", text, second + 9, 22)
    with pytest.raises(Damaged, match=f"there is no event at {second}"):
        read(bytes(text))


@given(st.data())
def test_no_damaged_byte_goes_unnoticed(data: st.DataObject) -> None:
    text = bytearray(log_of((8, 10), (9, 20), begins=7))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= data.draw(st.integers(1, 255))
    in_use = at == 4 + 17
    try:
        log = read(bytes(text))
    except Damaged:
        return
    assert in_use
    assert log.ends == Gtid(100, 1, 9)


@pytest.mark.parametrize("length", [3, 30, 120, 200])
def test_a_log_that_is_cut_off_is_noticed(length: int) -> None:
    with pytest.raises(Damaged):
        read(log_of((8, 10), begins=7)[:length])


@pytest.mark.parametrize("keyed", [False, True])
def test_a_sealed_file_gives_what_was_written_and_nothing_when_it_was_changed(tmp_path: Path, keyed: bool) -> None:
    (tmp_path / "key").write_text("secret")
    seal = Seal(tmp_path / "key" if keyed else None)
    content = os.urandom(300_000) + bytes(300_000)
    path = tmp_path / f"data{seal.ending}"
    entry = seal.write(path, io.BytesIO(content).read)
    with seal.read(tmp_path, entry) as stream:
        assert stream.read() == content
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Unsound, match="is not what was written"), seal.read(tmp_path, entry):
        raise AssertionError("it was given")


def test_what_a_writer_gives_up_leaves_nothing(tmp_path: Path) -> None:
    def give_up(_: int) -> bytes:
        raise Failure("the source has gone")

    with pytest.raises(Failure, match="the source has gone"):
        Seal().write(tmp_path / "data.zst", give_up)
    assert list(tmp_path.iterdir()) == []


def test_a_document_of_another_key_is_not_believed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1")
    other.write_text("2")
    signed = Seal(one).sign({"files": [{"name": "data.zst.enc"}]})
    assert Seal(one).check(signed, "it") == {"files": [{"name": "data.zst.enc"}]}
    for seal, document in ((Seal(other), signed), (Seal(one), {"files": [{"name": "data.zst.enc"}]})):
        with pytest.raises(Unsound, match="signed with another key"):
            seal.check(document, "it")


def test_the_store_shows_what_was_put_there_and_clears_what_was_not_finished(tmp_path: Path) -> None:
    store = Store(tmp_path, Seal())
    store.begin()
    store.new_base("1-full")
    store.add_base(WEEK[0])
    store.new_base("2-incremental")
    store.segment_directory("h", 1).mkdir(parents=True)
    store.put_segment("h", segment(1, 0, 5))
    (store.segment_directory("h", 1) / "stray").touch()
    again = Store(tmp_path, Seal())
    again.begin()
    assert [asdict(b) for b in again.bases()] == [asdict(WEEK[0])]
    assert again.segments("h") == [segment(1, 0, 5)]
    assert {entry.name for entry in again.bases_directory.iterdir()} == {"1-full"}
    assert not (store.segment_directory("h", 1) / "stray").exists()


def test_what_is_dropped_is_remembered_by_its_name(tmp_path: Path) -> None:
    store = Store(tmp_path, Seal())
    store.begin()
    store.new_base("1-full")
    store.add_base(WEEK[0])
    store.drop_base("1-full")
    assert store.bases() == []
    assert store.dropped() == ["bases/1-full/manifest.json"]
    store.forget_dropped(store.dropped())
    assert store.dropped() == []
