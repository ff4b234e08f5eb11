"""How a server gets a copy of all data in a deployment: with mariabackup, from a server that goes on serving."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.real.cluster import Cluster
from tests.real.galera import GaleraCluster, Writer, galera_cluster

pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.timeout(400)]

Note = Callable[[str, object], None]


@pytest.fixture(scope="module")
def running(kubernetes: Cluster) -> Iterator[GaleraCluster]:
    """Three servers with the options of the output, as they are."""
    with galera_cluster(kubernetes, kubernetes.new_namespace(), sst="mariabackup") as cluster:
        cluster.prepare()
        yield cluster


def test_who_gives_a_copy_goes_on_serving_and_the_copy_is_complete(running: GaleraCluster, record_property: Note) -> None:
    donor, joiner, third = running.servers
    for server in (joiner, third):
        server.ask_to_stop()
        server.stopped()
    joiner.lose_disk()
    ready: list[bool] = []
    with Writer(running) as writer:
        writer.rows()
        began = time.monotonic()
        joiner.start()
        while not joiner.is_ready():
            ready.append(donor.is_ready())
            assert time.monotonic() < began + 120, running.said()
            time.sleep(0.1)
        record_property("copy", time.monotonic() - began)
        record_property("longest pause of a writer", writer.pause_after(began))
        writer.rows()
    assert "wsrep_sst_mariabackup --role 'donor'" in donor.said()
    assert all(ready)
    third.start()
    running.check(writer.acknowledged)


def test_all_crash_and_nothing_that_was_confirmed_is_lost(running: GaleraCluster, record_property: Note) -> None:
    with Writer(running) as writer:
        writer.rows(200)
        running.crash()
        struck = time.monotonic()
        running.start()
        writer.rows(1)
        record_property("writable", time.monotonic() - struck)
        running.wait_until_ready()
        record_property("ready", time.monotonic() - struck)
    running.check(writer.acknowledged)
