"""What a volume says of the cluster's members."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mariadb_view import View
from mariadb_volume import Position, Volume

HISTORY = "11111111-1111-1111-1111-111111111111"
VIEW = View(HISTORY, frozenset({"mariadb-server-0", "mariadb-server-1"}))
RECORD = f"{HISTORY} 1-1/mariadb-server-0/,1-2/mariadb-server-1/\n"
PLACE = Position("crashed", HISTORY, 7)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    made = Volume(tmp_path)
    made.view_record.write_text(RECORD)
    return made


def test_the_view_that_was_written_down_counts(volume: Volume) -> None:
    assert volume.view(PLACE) == VIEW


def test_a_view_from_before_data_may_have_changed_counts_if_they_have_not(volume: Volume) -> None:
    volume.set_view_aside(PLACE)
    volume.set_view_aside(PLACE)  # as of a second attempt to join
    assert volume.view(PLACE) == VIEW
    assert volume.view(replace(PLACE, kind="clean")) == VIEW
    assert volume.view(replace(PLACE, seqno=8)) is None
    assert volume.view(replace(PLACE, uuid=HISTORY.replace("1", "2"))) is None


def test_a_newer_view_takes_its_place(volume: Volume) -> None:
    volume.set_view_aside(PLACE)
    volume.view_record.write_text(f"{HISTORY} 1-1/mariadb-server-2/\n")
    assert volume.view(PLACE) == View(HISTORY, frozenset({"mariadb-server-2"}))


@pytest.mark.parametrize("kind", ["partial", "empty", "unknown"])
def test_data_that_are_not_whole_have_no_view_from_before(volume: Volume, kind: str) -> None:
    position = Position(kind)  # type: ignore[arg-type]
    volume.set_view_aside(position)
    assert volume.view(position) is None
