"""Backups of a real MariaDB with Galera: made, checked, and brought back to a time."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.mariadb_backups import Keeper, Node, backups, wait_for
from tests.real.parts import absent
from tests.real.programs.running import Programs
from tests.real.servers import LOOPBACK, free_port, served

pytestmark = pytest.mark.real

COUNT = "SELECT COUNT(*) FROM cloud.servers"
ROWS = "INSERT INTO cloud.servers (name) SELECT '{}' FROM cloud.seq_1_to_{}"


def fill(node: Node) -> None:
    """A table with a hundred rows."""
    node.sql("CREATE DATABASE cloud", "CREATE TABLE cloud.servers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(64))")
    node.sql(ROWS.format("base", 100))


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """Programs to run, and a directory for their files."""
    (tmp_path / "programs").mkdir()
    return Programs(tmp_path / "programs")


@pytest.fixture
def one() -> Iterator[tuple[Node, Keeper]]:
    """A cluster of one server with a table, and what keeps its backups."""
    with backups() as ((node,), keeper):
        fill(node)
        yield node, keeper


def bring_back(node: Node, keeper: Keeper, restored: dict[str, Any]) -> None:
    """Start the server with restored data in a new history, as a cluster does that was told to."""
    node.stop()
    data = node.settings.volume / "data"
    data.rename(data.with_name("lost"))
    names = keeper.fetch(restored["id"], data)
    assert {"mysql", "cloud", "ibdata1"} < set(names)
    assert {"grastate.dat", "galera.cache", "mariadb-bin.index", "stackloom-identity"}.isdisjoint(names)
    if os.geteuid() == 0:
        os.system(f"chown -R mysql:mysql {data}")  # noqa: S605
    node.start()


def test_data_come_back_as_they_were_before_rows_were_deleted(one: tuple[Node, Keeper]) -> None:
    node, keeper = one
    keeper.start()
    keeper.first_backup()
    node.sql(ROWS.format("later", 100), "CREATE USER visitor@'%'")
    before, wanted = node.now(), node.gtid()
    node.sql("DELETE FROM cloud.servers")
    keeper.archived(node.gtid())
    restored = keeper.restore(before)
    assert restored["gtid"] == wanted
    bring_back(node, keeper, restored)
    assert node.sql(COUNT) == [(200,)]
    assert node.sql("SELECT User FROM mysql.user WHERE User IN ('visitor', 'stackloom-scratch')") == [("visitor",)]
    # What is written now belongs to another history, which needs a backup of its own.
    wait_for("the new history has a backup", lambda: len({b["history"] for b in keeper.ask("GET", "/status")["bases"]}) == 2, 60)


def test_an_incremental_backup_builds_on_the_last_and_both_come_back(one: tuple[Node, Keeper]) -> None:
    node, keeper = one
    keeper.start()
    keeper.first_backup()
    node.sql(ROWS.format("later", 100))
    wanted, second = node.gtid(), keeper.backup()
    third = keeper.backup()
    first = keeper.ask("GET", "/status")["bases"][0]
    assert [first["kind"], second["kind"], third["kind"]] == ["full", "incremental", "incremental"]
    assert (second["parent"], third["parent"], second["gtid"]) == (first["id"], second["id"], wanted)
    assert keeper.restore(third["id"])["gtid"] == wanted
    assert node.sql("SHOW STATUS LIKE 'wsrep_local_state_comment'") == [("wsrep_local_state_comment", "Synced")]


def test_another_server_takes_over_for_one_that_is_lost_and_nothing_is_missing() -> None:
    with backups(2) as ((first, second), keeper):
        fill(first)
        second.start(join=first.address)
        keeper.start()
        keeper.first_backup()
        assert keeper.ask("GET", "/status")["bases"][0]["server"] == "mariadb-server-1"
        first.sql(ROWS.format("while both run", 10))
        keeper.archived(first.gtid())
        second.stop()
        wait_for("the first goes on", lambda: first.sql("SHOW STATUS LIKE 'wsrep_cluster_size'")[0][1] == "1")
        first.sql("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'")
        first.sql(ROWS.format("when one is lost", 10))
        before, wanted = first.now(), first.gtid()
        first.sql("DELETE FROM cloud.servers")
        keeper.archived(first.gtid())
        archive = next(iter(keeper.ask("GET", "/status")["archives"].values()))
        assert (archive["gaps"], keeper.metric("mariadb_backup_needed")) == (0, 0)
        restored = keeper.restore(before)
        assert restored["gtid"] == wanted
        bring_back(first, keeper, restored)
        assert first.sql(COUNT) == [(120,)]


@pytest.mark.soak
def test_logs_that_are_gone_are_a_gap_that_is_told_and_closed_by_a_new_backup(one: tuple[Node, Keeper]) -> None:
    node, keeper = one
    keeper.start()
    keeper.first_backup()
    before = node.now()
    keeper.covers(before)
    keeper.kill()
    node.sql(ROWS.format("unseen", 10))
    node.sql("FLUSH LOCAL BINARY LOGS", ROWS.format("seen", 10), "FLUSH LOCAL BINARY LOGS")
    node.sql(f"PURGE BINARY LOGS TO '{node.sql('SHOW MASTER STATUS')[0][0]}'")
    middle = node.now()
    keeper.start()
    wait_for("a second backup counts", lambda: len(keeper.ask("GET", "/status")["bases"]) == 2, 60, keeper.said)
    assert "a gap in the archive" in keeper.said()
    keeper.covers(node.now())
    assert "the archive has a gap" in keeper.refusal(middle)
    assert keeper.restore("latest")["gtid"] == node.gtid()
    assert keeper.restore(before)["tables"] > 0
    assert keeper.metric("mariadb_backup_needed") == 0


def test_a_time_that_is_not_covered_is_refused(one: tuple[Node, Keeper]) -> None:
    node, keeper = one
    keeper.start()
    early = node.now()
    keeper.first_backup()
    assert "the oldest backup is of" in keeper.refusal(early)
    assert "archived up to" in keeper.refusal("2100-01-01T00:00:00Z")
    assert "is no time" in keeper.refusal("yesterday")


def test_what_a_crash_in_the_middle_leaves_does_not_count_and_the_next_backup_succeeds(one: tuple[Node, Keeper]) -> None:
    node, keeper = one
    keeper.start(ARCHIVE_SECONDS="0")
    keeper.ask("POST", "/backup")
    wait_for("data arrive", lambda: any(f.stat().st_size for f in (keeper.volume / "bases").glob(".*/data*")), log=keeper.said)
    keeper.kill()
    assert list((keeper.volume / "bases").glob(".*"))
    keeper.start()
    assert keeper.ask("GET", "/status")["bases"] == []
    assert not list((keeper.volume / "bases").iterdir())
    wait_for("the server is in step again", lambda: node.sql("SELECT @@wsrep_desync") == [(0,)])
    assert keeper.backup()["tables"] > 0


@pytest.mark.soak
def test_a_disk_that_is_full_fails_the_backup_and_keeps_those_before(one: tuple[Node, Keeper]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    _, keeper = one
    assert os.system(f"mount -t tmpfs -o size=250m,uid={keeper.volume.stat().st_uid} tmpfs {keeper.volume}") == 0  # noqa: S605
    try:
        keeper.start(ARCHIVE_SECONDS="0")
        first = keeper.backup()
        filler = keeper.volume / "filler"
        filler.write_bytes(bytes(int(os.statvfs(keeper.volume).f_bavail * 4096 - 300_000)))
        ended = keeper.result("/backup")
        assert (ended["state"], "o space left" in ended["said"] or "ended with" in ended["said"]) == ("failed", True), ended
        filler.unlink()
        assert [base["id"] for base in keeper.ask("GET", "/status")["bases"]] == [first["id"]]
        assert not list((keeper.volume / "bases").glob(".*"))
        assert keeper.metric('mariadb_backup_failures_total{what="copy"}') == 1
    finally:
        keeper.kill()
        os.system(f"umount {keeper.volume}")  # noqa: S605


@pytest.mark.soak
def test_a_file_that_has_changed_is_noticed(one: tuple[Node, Keeper]) -> None:
    node, keeper = one
    keeper.start(ARCHIVE_SECONDS="0")
    base = keeper.backup()
    file = keeper.volume / "bases" / base["id"] / base["files"][0]["name"]
    with file.open("r+b") as content:
        content.seek(file.stat().st_size // 2)
        content.write(b"changed")
    assert "is not what was written" in keeper.refusal(base["id"])
    # An incremental one that builds on it could not be restored: all is copied.
    assert keeper.backup()["kind"] == "full"
    assert node.sql(COUNT) == [(100,)]


@pytest.mark.soak
def test_a_damaged_table_keeps_a_backup_from_counting(one: tuple[Node, Keeper]) -> None:
    node, keeper = one
    node.sql("SET wsrep_on = OFF", "CREATE TABLE cloud.old (id INT PRIMARY KEY, text TEXT) ENGINE=MyISAM")
    node.sql("SET wsrep_on = OFF", "INSERT INTO cloud.old VALUES (1, REPEAT('x', 5000))", "FLUSH TABLES")
    file = node.settings.volume / "data" / "cloud" / "old.MYD"
    file.write_bytes(bytes(100) + file.read_bytes()[100:])
    keeper.start(ARCHIVE_SECONDS="0")
    ended = keeper.result("/backup")
    assert ended["state"] == "failed"
    assert "cloud.old" in ended["said"]
    assert keeper.ask("GET", "/status")["bases"] == []


def test_an_encrypted_backup_needs_its_key_and_shows_nothing_without(one: tuple[Node, Keeper]) -> None:
    node, keeper = one
    key = keeper.folder / "key"
    key.write_text("one")
    node.sql("INSERT INTO cloud.servers (name) VALUES ('topsecretname')")
    keeper.start(BACKUP_KEY=str(key))
    keeper.first_backup()
    node.sql(ROWS.format("later", 10))
    keeper.archived(node.gtid())
    assert keeper.restore("latest")["gtid"] == node.gtid()
    files = [f for top in ("bases", "archive") for f in (keeper.volume / top).rglob("*.enc")]
    assert len(files) >= 2
    assert not any(b"topsecretname" in f.read_bytes() or f.read_bytes().startswith(b"\x28\xb5\x2f\xfd") for f in files)
    keeper.kill()
    key.write_text("another")
    keeper.start(ARCHIVE_SECONDS="0")
    assert "no backup" in keeper.refusal("latest")
    assert "signed with another key" in keeper.said()


@pytest.mark.soak
def test_old_backups_go_with_the_logs_that_only_they_need(one: tuple[Node, Keeper]) -> None:
    node, keeper = one
    keeper.start(BACKUP_TYPE="full", BACKUPS_TO_KEEP="2")
    keeper.first_backup()
    for i in range(3):
        node.sql(ROWS.format(i, 10), "FLUSH LOCAL BINARY LOGS")
        keeper.archived(node.gtid())
        keeper.backup()
    status = keeper.ask("GET", "/status")
    oldest = int(status["bases"][0]["gtid"].split("-")[2])
    segments = [json.loads(f.read_text()) for f in (keeper.volume / "archive").glob("*/*/segment.json")]
    assert len(status["bases"]) == 2
    assert all(s["log"]["ends"]["number"] > oldest for s in segments if s["closed"])
    assert keeper.restore("latest")["gtid"] == node.gtid()


def test_a_server_that_is_asked_by_a_stranger_gives_nothing(one: tuple[Node, Keeper]) -> None:
    from mariadb_calls import Refused, call

    node, keeper = one
    keeper.start(ARCHIVE_SECONDS="0")
    asked = [((node.address, 8081), "GET", "/backup"), ((node.address, 8081), "POST", "/binlogs")]
    for address, method, path in [*asked, ((keeper.address, 8081), "POST", "/backup")]:
        with pytest.raises(Refused, match="mariadb-sst"):
            call(address, method, path, ("sst", "guessed"))
    assert node.sql("SELECT @@wsrep_desync") == [(0,)]


def test_what_a_human_asks_for_is_done_or_fails_with_its_reason(one: tuple[Node, Keeper], programs: Programs) -> None:
    node, keeper = one
    keeper.start(ARCHIVE_SECONDS="0")
    env = {"BACKUP_HOST": keeper.address, "MARIADB_SECRETS": str(node.secrets)}
    ended = [programs.run("mariadb_backup_ask", *words, env=env) for words in (["backup"], ["restore", "latest"], ["status"])]
    assert [e.returncode for e in ended] == [0, 0, 0], ended
    (base,) = json.loads(ended[2].stdout)["bases"]
    assert ended[0].stdout.splitlines()[-1].startswith(f"{base['id']} counts: {base['tables']} tables")
    refused = programs.run("mariadb_backup_ask", "restore", "2001-01-01T00:00:00Z", env=env)
    assert (refused.returncode, "failed: the oldest backup is of" in refused.stdout) == (1, True)


@pytest.mark.soak
def test_a_copy_ends_with_the_one_who_asked_for_it(one: tuple[Node, Keeper]) -> None:
    from mariadb_calls import answered

    from tests.real.mariadb_backups import ACCOUNT

    node, _ = one
    with answered((node.address, 8081), "GET", "/backup", ACCOUNT, timeout=30) as response:
        response.read(1000)
    wait_for("the server is in step again", lambda: node.sql("SELECT @@wsrep_desync") == [(0,)])


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """A folder on another machine, as rclone beside the program reaches it: what the program is told of it, and the folder."""
    program = shutil.which("rclone")
    if not program:
        absent("rclone is not installed (Debian: apt-get install rclone)")
    folder, far, near = tmp_path / "remote", free_port(), free_port()
    folder.mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "RCLONE_CONFIG": str(tmp_path / "none"),
        "RCLONE_CONFIG_REMOTE_TYPE": "webdav",
        "RCLONE_CONFIG_REMOTE_URL": f"http://{LOOPBACK}:{far}",
        "RCLONE_CONFIG_REMOTE_VENDOR": "other",
    }
    storage = [program, "serve", "webdav", str(folder), f"--addr={LOOPBACK}:{far}"]
    beside = [program, "rcd", f"--rc-addr={LOOPBACK}:{near}", "--rc-no-auth"]
    with served(storage, env, far, tmp_path / "far.log"), served(beside, env, near, tmp_path / "near.log"):
        yield {"BACKUP_REMOTE": "remote:cloud", "RCLONE_PORT": str(near), "REMOTE_SECONDS": "0.5"}, folder / "cloud"


def files(folder: Path) -> set[str]:
    """The names of all files that count."""
    found = [f.relative_to(folder) for top in ("bases", "archive") for f in (folder / top).rglob("*") if f.is_file()]
    return {str(name) for name in found if not any(part.startswith(".") for part in name.parts)}


@pytest.mark.soak
def test_the_remote_follows_and_loses_only_what_was_dropped_here(
    one: tuple[Node, Keeper], remote: tuple[dict[str, str], Path]
) -> None:
    node, keeper = one
    settings, folder = remote
    keeper.start(BACKUP_TYPE="full", BACKUPS_TO_KEEP="1", **settings)
    keeper.first_backup()
    first = keeper.ask("GET", "/status")["bases"][0]["id"]
    wait_for("the first is there", lambda: files(folder) >= {f for f in files(keeper.volume) if first in f}, log=keeper.said)
    foreign = folder / "bases" / first / "not ours"
    foreign.write_text("of somebody else")
    node.sql(ROWS.format("later", 10), "FLUSH LOCAL BINARY LOGS")
    keeper.archived(node.gtid())
    second = keeper.backup()["id"]
    wait_for("they are alike", lambda: files(folder) == files(keeper.volume) | {f"bases/{first}/not ours"}, log=keeper.said)
    assert any(second in name for name in files(folder))
    # A volume that was lost takes nothing with it, and what is brought back from the remote counts.
    keeper.kill()
    kept = files(folder)
    shutil.rmtree(keeper.volume / "bases")
    shutil.rmtree(keeper.volume / "archive")
    keeper.start(ARCHIVE_SECONDS="0")
    wait_for("it has looked", lambda: keeper.metric("mariadb_backup_remote_age_seconds") < 2, log=keeper.said)
    assert files(folder) == kept
    keeper.kill()
    shutil.copytree(folder, keeper.volume, dirs_exist_ok=True)
    keeper.own()
    keeper.start()
    assert keeper.restore("latest")["gtid"] == node.gtid()
