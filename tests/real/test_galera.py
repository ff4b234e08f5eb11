"""Faults that strike a real Galera cluster: what was confirmed to a client is on every server afterwards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pymysql
import pytest

from tests.real.control_plane import ControlPlane
from tests.real.galera import GaleraCluster, Server, Writer, wait_for
from tests.real.galera_server import no_link

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

Note = Callable[[str, object], None]


def waiting(*servers: Server) -> None:
    """Wait until these have reported, and nothing more."""
    wait_for("servers wait", lambda: all(server.phase() == "waiting" for server in servers), log=servers[0].cluster.said)


def refused(cluster: GaleraCluster, reason: str) -> None:
    """Wait for a refusal with this text, and see that it lasts."""
    wait_for(f"a refusal: {reason}", lambda: reason in cluster.refusal(), log=cluster.said)
    before = cluster.state().get("decision")
    time.sleep(2)
    assert reason in cluster.refusal()
    assert cluster.state().get("decision") == before


def test_the_first_start_makes_one_cluster_of_all(running: GaleraCluster) -> None:
    states = [server.state() for server in running.servers]
    assert {s["wsrep"]["cluster_uuid"] for s in states} == {states[0]["wsrep"]["cluster_uuid"]}
    assert all(s["wsrep"]["members"] == [server.name for server in running.servers] for s in states)
    assert set(running.state()) == {"decision", *(f"member.{server.name}" for server in running.servers)}


def test_a_crash_of_the_one_that_is_written_to_stalls_the_others_for_seconds_only(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    struck = time.monotonic()
    running.servers[0].crash_mariadb()
    writer.rows()
    record_property("stall", writer.pause_after(struck))
    running.wait_until_ready()
    record_property("ready", time.monotonic() - struck)
    assert "IST received" in running.servers[0].said()


@pytest.mark.soak
def test_a_server_that_hangs_is_left_and_joins_again(running: GaleraCluster, writer: Writer, record_property: Note) -> None:
    struck, pid = time.monotonic(), running.servers[0].mariadbd()
    os.kill(pid, signal.SIGSTOP)
    writer.rows()
    record_property("stall", writer.pause_after(struck))
    wait_for("the probe notices", lambda: not running.servers[0].is_ready(), 8)
    os.kill(pid, signal.SIGCONT)
    began = time.monotonic()
    # When it wakes it believes for a moment that nothing has happened: the others know when it is back.
    wait_for("all are one cluster", lambda: all(s.state()["wsrep"]["size"] == 3 for s in running.servers[1:]), log=running.said)
    running.wait_until_ready()
    record_property("ready", time.monotonic() - began)
    assert running.servers[0].mariadbd() == pid


def test_a_minority_confirms_nothing_and_heals_alone(running: GaleraCluster, writer: Writer, record_property: Note) -> None:
    isolated, struck = running.servers[0], time.monotonic()
    isolated.isolate()
    wait_for("it has no majority", lambda: not isolated.is_primary(), 10)
    with pytest.raises(pymysql.MySQLError):
        isolated.sql("INSERT INTO tests.acknowledged VALUES (0, 'lost')")
    writer.rows()
    record_property("stall", writer.pause_after(struck))
    isolated.isolate(cut=False)
    record_property("healed", running.wait_until_ready(isolated))
    assert isolated.sql("SELECT COUNT(*) FROM tests.acknowledged WHERE id = 0") == [(0,)]


@pytest.mark.soak
def test_who_stays_with_a_server_that_is_cut_off_reads_old_rows_for_seconds_and_writes_none(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    isolated, reads = running.servers[2], list[float]()
    with isolated.connect() as connection, connection.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        isolated.isolate()
        struck, write = time.monotonic(), pool.submit(isolated.sql, "INSERT INTO tests.acknowledged VALUES (4, 'lost')")
        with suppress(pymysql.MySQLError):
            while cursor.execute("SELECT COUNT(*) FROM tests.acknowledged"):
                reads.append(time.monotonic() - struck)
        assert isinstance(write.exception(), pymysql.MySQLError)
    record_property("old reads", reads[-1])
    assert reads[-1] < 8
    wait_for("it has no majority", lambda: not isolated.is_primary(), 10)
    isolated.isolate(cut=False)
    running.wait_until_ready(isolated)
    assert isolated.sql("SELECT COUNT(*) FROM tests.acknowledged WHERE id = 4") == [(0,)]


@pytest.mark.soak
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop packets")
def test_two_that_lose_their_link_stay_through_the_third(running: GaleraCluster, writer: Writer, record_property: Note) -> None:
    one, other, _ = running.servers
    struck = time.monotonic()
    with no_link(one, other):
        time.sleep(10)
        writer.rows(100)
        record_property("stall", writer.pause_after(struck))
        assert all(server.state()["wsrep"]["size"] == 3 for server in running.servers)
        other.sql("INSERT INTO tests.acknowledged VALUES (5, 'relayed')")
        wait_for("it is relayed", lambda: one.sql("SELECT id FROM tests.acknowledged WHERE id = 5"))


@pytest.mark.soak
def test_a_server_that_is_asked_to_stop_leaves_without_a_stall(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    struck = time.monotonic()
    running.servers[2].ask_to_stop()
    record_property("stop", running.servers[2].stopped())
    writer.rows(100)
    record_property("stall", writer.pause_after(struck))
    running.servers[2].start()
    record_property("ready", running.wait_until_ready())


@pytest.mark.soak
def test_a_rolling_restart_is_not_noticed_by_who_writes_elsewhere(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    for server in reversed(running.servers):
        server.ask_to_stop()
        server.stopped()
        server.start()
        record_property(f"ready {server.name}", running.wait_until_ready())
    writer.rows()


def test_all_crash_under_load_and_nothing_that_was_confirmed_is_lost(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    writer.rows(200)
    running.crash()
    struck = time.monotonic()
    running.start()
    writer.rows(1)
    record_property("writable", time.monotonic() - struck)
    running.wait_until_ready()
    record_property("ready", time.monotonic() - struck)
    assert running.state()["decision"]["mode"] == "bootstrap"
    assert not [key for key in running.state() if key.startswith("report.")]


@pytest.mark.soak
def test_mariadb_killed_everywhere_recovers_within_the_same_pods(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    struck = time.monotonic()
    for server in running.servers:
        server.crash_mariadb()
    writer.rows(1)
    record_property("writable", time.monotonic() - struck)
    running.wait_until_ready()
    record_property("ready", time.monotonic() - struck)


def test_all_that_are_asked_to_stop_at_once_start_again(running: GaleraCluster, writer: Writer, record_property: Note) -> None:
    for server in running.servers:
        server.ask_to_stop()
    record_property("stop", max(server.stopped() for server in running.servers))
    struck = time.monotonic()
    running.start()
    writer.rows(1)
    record_property("writable", time.monotonic() - struck)
    record_property("ready", running.wait_until_ready())


@pytest.mark.soak
def test_of_those_that_crash_one_after_the_other_the_newest_starts(running: GaleraCluster, writer: Writer) -> None:
    for server in (running.servers[0], running.servers[1]):
        server.ask_to_stop()
        server.stopped()
        writer.rows()
    running.servers[2].crash()
    running.start()
    writer.rows(1)
    assert running.state()["decision"]["pod"] == running.servers[2].name


@pytest.mark.soak
def test_a_survivor_without_majority_waits_for_both_and_starts_again_with_them(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    survivor, first, second = running.servers
    running.crash(first, second)
    wait_for("the survivor has no majority", lambda: not survivor.is_primary(), 20)
    first.start()
    refused(running, second.name)
    assert not any(server.is_ready() for server in running.servers)
    second.start()
    struck = time.monotonic()
    writer.rows(1)
    record_property("writable", time.monotonic() - struck)


def test_a_half_copied_server_is_never_elected(running: GaleraCluster, writer: Writer, record_property: Note) -> None:
    joiner = running.servers[2]
    running.servers[0].sql("CREATE TABLE IF NOT EXISTS tests.bulk (id INT PRIMARY KEY AUTO_INCREMENT, filling LONGTEXT)")
    for _ in range(10):
        running.servers[0].sql("INSERT INTO tests.bulk (filling) VALUES (REPEAT(UUID(), 250000))")
    joiner.crash()
    joiner.lose_disk()
    joiner.start()
    wait_for("a copy is under way", (joiner.data / "sst_in_progress").exists, log=running.said)
    running.crash()
    struck = time.monotonic()
    running.start()
    wait_for("it says what it has", lambda: _class_of(joiner) == "partial", log=running.said)
    writer.rows(1)
    record_property("writable", time.monotonic() - struck)
    running.wait_until_ready()
    record_property("ready", time.monotonic() - struck)
    assert running.state()["decision"]["pod"] != joiner.name


def _class_of(server: Server) -> str:
    return str((server.state().get("report") or {}).get("class", ""))


def test_the_newest_is_waited_for_and_copied_anew_if_a_human_went_on_without_it(
    running: GaleraCluster, record_property: Note
) -> None:
    first, second, newest = running.servers
    for server in (first, second):
        server.ask_to_stop()
        server.stopped()
    newest.sql("INSERT INTO tests.acknowledged VALUES (1, 'only on the newest')")
    before = newest.state()["wsrep"]["cluster_uuid"]
    newest.crash()
    running.start(first, second)
    waiting(first, second)
    refused(running, newest.name)
    running.force(second)
    record_property("ready after force", running.wait_until_ready(first, second))
    assert second.state()["wsrep"]["cluster_uuid"] != before
    first.sql("INSERT INTO tests.acknowledged VALUES (2, 'since then'), (3, 'more than the newest had')")
    newest.start()
    record_property("ready newest", running.wait_until_ready())
    running.check([2, 3])
    assert newest.sql("SELECT id FROM tests.acknowledged WHERE id = 1") == []
    assert "stackloom.io/force-bootstrap" not in running.config_map()["metadata"].get("annotations", {})


@pytest.mark.soak
def test_an_order_to_start_anew_is_refused_while_a_cluster_runs(running: GaleraCluster, writer: Writer) -> None:
    running.servers[2].ask_to_stop()
    running.servers[2].stopped()
    running.force(running.servers[2])
    wait_for("the order is taken off", lambda: not running.config_map()["metadata"].get("annotations"), log=running.said)
    running.servers[2].start()
    writer.rows()
    assert running.state()["decision"]["mode"] != "forced" or running.state()["decision"]["pod"] != running.servers[2].name


def test_a_server_that_has_lost_its_disk_gets_everything_anew(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    running.servers[1].crash()
    running.servers[1].lose_disk()
    running.servers[1].start()
    record_property("ready", running.wait_until_ready())


def test_nothing_is_founded_where_there_was_something(running: GaleraCluster, writer: Writer) -> None:
    running.crash()
    for server in running.servers:
        server.lose_disk()
    running.start()
    refused(running, "no server has data, but")
    running.crash()
    for server in running.servers:
        server.find_disk()
    running.start()
    writer.rows(1)


@pytest.mark.soak
def test_one_disk_that_was_lost_with_everything_down_is_a_matter_for_humans(running: GaleraCluster, writer: Writer) -> None:
    running.crash()
    running.servers[2].lose_disk()
    running.start()
    refused(running, "mariadb-server-2 lost its disk")
    running.servers[2].crash()
    running.servers[2].find_disk()
    running.servers[2].start()
    writer.rows(1)


@pytest.mark.soak
def test_data_of_another_history_stop_everything(running: GaleraCluster, writer: Writer) -> None:
    for server in running.servers:
        server.ask_to_stop()
    for server in running.servers:
        server.stopped()
    saved = running.servers[1].data / "grastate.dat"
    text = saved.read_text()
    uuid = next(line.split()[1] for line in text.splitlines() if line.startswith("uuid:"))
    saved.write_text(text.replace(uuid, "11111111-2222-3333-4444-555555555555"))
    running.start()
    refused(running, "mariadb-server-1 has 11111111-2222-3333-4444-555555555555")
    running.crash()
    saved.write_text(text)
    running.start()
    writer.rows(1)


@pytest.mark.soak
def test_who_waits_for_others_ends_at_once(running: GaleraCluster, writer: Writer, record_property: Note) -> None:
    running.crash()
    running.servers[0].start()
    waiting(running.servers[0])
    running.servers[0].ask_to_stop()
    record_property("stop", running.servers[0].stopped(5))
    running.start()
    writer.rows(1)


def test_who_waits_for_a_majority_in_mariadb_itself_ends_soon(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    joiner, *others = running.servers
    joiner.crash()
    wait_for("the others go on", lambda: all(s.is_ready() for s in others), log=running.said)
    hung = [server.mariadbd() for server in others]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    joiner.start()
    wait_for("it tries to join", lambda: joiner.mariadbd() and joiner.phase() == "joining", log=running.said)
    time.sleep(1)
    joiner.ask_to_stop()
    took = joiner.stopped(10)
    for pid in hung:
        os.kill(pid, signal.SIGCONT)
    record_property("stop", took)
    assert took < 5
    joiner.start()
    writer.rows(1)


@pytest.mark.soak
def test_one_that_crashed_joins_again_without_the_api(
    running: GaleraCluster, writer: Writer, api_server: ControlPlane, record_property: Note
) -> None:
    with api_server.api_stopped():
        running.servers[1].crash()
        running.servers[1].start()
        record_property("ready", running.wait_until_ready())


@pytest.mark.soak
def test_clients_of_a_demoted_server_are_cut_and_the_server_goes_on(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    server = running.servers[1]
    with server.connect() as connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT 1") == 1
        began = time.monotonic()
        assert server.ask("/demoted", "POST") == (200, "ok")
        record_property("answered", time.monotonic() - began)
        with pytest.raises(pymysql.MySQLError):
            cursor.execute("SELECT 1")
    assert server.sql("SELECT 1") == [(1,)]
    assert server.is_ready()
    writer.rows()
