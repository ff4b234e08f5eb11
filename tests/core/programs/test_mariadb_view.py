"""What a server keeps of the cluster's members: the recorder is run as MariaDB runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from mariadb_view import RECORDER, View, view_of

HISTORY = "11111111-1111-1111-1111-111111111111"
MEMBERS = "2-3/mariadb-server-0/10.0.0.1:3306,4-5/mariadb-server-2/[fd00::1]:3306"
VIEW = f"--status synced --uuid {HISTORY} --primary yes --index 0 --members {MEMBERS}"
BEFORE = f"{HISTORY} 2-3/mariadb-server-0/\n"


def recorded(directory: Path, arguments: str, before: str = BEFORE) -> str:
    """The record after the recorder was called, "" for none."""
    script, record = directory / "record.sh", directory / "view"
    script.write_text(RECORDER)
    record.write_text(before)
    subprocess.run(["sh", script, record, *arguments.split()], check=False, stderr=subprocess.DEVNULL)
    return record.read_text() if record.exists() else ""


def test_the_members_of_a_primary_view_are_kept_by_name(tmp_path: Path) -> None:
    assert view_of(recorded(tmp_path, VIEW)) == View(HISTORY, frozenset({"mariadb-server-0", "mariadb-server-2"}))
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("view")] == ["view"]


@pytest.mark.parametrize(
    "arguments",
    [
        VIEW.replace("--primary yes", "--primary no"),
        f"--status disconnected --uuid {HISTORY} --primary no --index -1",
        "--status joining",
    ],
)
def test_what_is_no_primary_view_changes_nothing(tmp_path: Path, arguments: str) -> None:
    assert recorded(tmp_path, arguments) == BEFORE


def test_a_view_that_cannot_be_written_leaves_none_behind(tmp_path: Path) -> None:
    (tmp_path / "view.new").mkdir()
    assert recorded(tmp_path, VIEW) == ""


@pytest.mark.parametrize("record", ["", HISTORY, f"{HISTORY} ", "x a/b/c", f"{HISTORY} a", f"{HISTORY} a/b/c,d"])
def test_what_is_no_record_is_no_view(record: str) -> None:
    assert view_of(record) is None
