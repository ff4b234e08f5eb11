"""How a real Galera cluster comes back when servers are missing, or none of those that run can write."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

import pytest

from tests.real.galera import GaleraCluster, Server, Writer, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

Note = Callable[[str, object], None]


def goes_on_without(lost: Server, writer: Writer) -> None:
    """Crash one, and see that what is written then is written by the others, in a cluster of their own."""
    lost.crash()
    others = [server for server in lost.cluster.servers if server is not lost]
    wait_for("the others go on", lambda: all((s.state()["wsrep"] or {}).get("size") == 2 for s in others), log=lost.cluster.said)
    writer.rows(50)


def test_the_end_of_mariadb_is_seen_at_once(running: GaleraCluster, writer: Writer, record_property: Note) -> None:
    server = running.servers[2]
    os.kill(server.mariadbd(), signal.SIGKILL)
    struck = time.monotonic()
    while server.is_ready():
        assert time.monotonic() < struck + 0.4, "it is ready still"
    record_property("not ready", time.monotonic() - struck)


@pytest.mark.soak
def test_servers_that_all_run_and_have_no_majority_start_anew_by_themselves(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    pids = [server.mariadbd() for server in running.servers]
    for server in running.servers:
        server.isolate()
    struck = time.monotonic()
    wait_for("none has a majority", lambda: not any(s.is_primary() for s in running.servers), 20)
    assert [server.mariadbd() for server in running.servers] == pids
    writer.rows(1)
    record_property("writable", time.monotonic() - struck)
    running.wait_until_ready()
    assert all("none of the others has one" in s.said() or "waits for its report" in s.said() for s in running.servers)


def test_two_that_hold_the_newest_data_start_without_a_third_that_is_lost_for_good(
    running: GaleraCluster, writer: Writer, record_property: Note
) -> None:
    first, second, lost = running.servers
    goes_on_without(lost, writer)
    lost.lose_disk()
    running.crash(first, second)
    running.start(first, second)
    struck = time.monotonic()
    writer.rows(1)
    record_property("writable", time.monotonic() - struck)
    assert running.state()["decision"]["mode"] == "bootstrap"
    lost.start()
    record_property("ready", running.wait_until_ready())
    records = [(server.root / "volume" / "view").read_text() for server in running.servers]
    assert all(server.name in record for server in running.servers for record in records)


@pytest.mark.soak
def test_system_tables_of_an_older_version_are_upgraded_once_the_server_has_joined(
    running: GaleraCluster, writer: Writer
) -> None:
    server = running.servers[2]
    version, before = server.data / "mysql_upgrade_info", server.said().count("upgrading the system tables")
    server.ask_to_stop()
    server.stopped()
    version.write_text("10.6.5-MariaDB")
    server.start()
    running.wait_until_ready()
    wait_for("they are upgraded", lambda: not version.read_text().startswith("10.6."), log=server.said)
    assert server.said().count("upgrading the system tables") == before + 1


@pytest.mark.soak
def test_who_needs_a_copy_takes_it_from_a_backup(running: GaleraCluster, writer: Writer) -> None:
    primary, backup, joiner = running.servers
    for server, role in ((backup, "backup"), (primary, "primary")):
        pod = {
            "metadata": {"name": server.name, "labels": {"mariadb_role": role}},
            "spec": {"containers": [{"name": "mariadb", "image": "mariadb"}]},
        }
        path = f"/api/v1/namespaces/{running.namespace}/pods"
        assert running.api.request("POST", path, {**pod, "apiVersion": "v1", "kind": "Pod"}).status == 201
    joiner.crash()
    joiner.lose_disk()
    joiner.start()
    running.wait_until_ready()
    chosen = re.findall(rf"\({joiner.name}\) requested state transfer from '(.*?)'\. Selected \S+ \((\S+?)\)", joiner.said())
    assert chosen[-1] == (f"{backup.name},", backup.name)


@pytest.mark.soak
def test_two_of_which_only_one_has_the_newest_data_wait_for_the_third(running: GaleraCluster, writer: Writer) -> None:
    missing, witness, stale = running.servers
    goes_on_without(stale, writer)
    running.crash(missing, witness)
    running.start(witness, stale)
    wait_for("a refusal", lambda: f"{missing.name} may run, or hold newer data" in running.refusal(), log=running.said)
    time.sleep(3)
    assert not any(server.is_ready() for server in running.servers)
    missing.start()
    writer.rows(1)


@pytest.mark.soak
def test_a_lost_disk_of_the_last_view_is_a_matter_for_humans(running: GaleraCluster, writer: Writer) -> None:
    first, empty, stale = running.servers
    goes_on_without(stale, writer)
    running.crash(first, empty)
    empty.lose_disk()
    running.start()
    wait_for("a refusal", lambda: f"{empty.name} lost its disk" in running.refusal(), log=running.said)
    empty.crash()
    empty.find_disk()
    empty.start()
    writer.rows(1)
