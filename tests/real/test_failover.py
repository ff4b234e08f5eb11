"""From a fault to the first write that the database confirms: real servers, a real API, the controller with the rights it has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pymysql
import pytest

from tests.real.cluster import Cluster
from tests.real.failover import Clients, Database, database
from tests.real.galera_server import AGENT_PORT, Connection, wait_for
from tests.real.mariadb_controllers import Controllers

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

Note = Callable[[str, object], None]


@pytest.fixture(scope="module")
def running(kubernetes: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The database with its controller. At no time have two servers the role."""
    with database(kubernetes, kubernetes.new_namespace()) as made:
        controllers = Controllers(made.pods, tmp_path_factory.mktemp("controllers"), agent_port=AGENT_PORT)
        controllers.start("a", LEASE_SECONDS="15")
        try:
            made.prepare()
            yield made
        finally:
            controllers.stop()


@pytest.fixture
def clients(running: Database) -> Iterator[Clients]:
    """Clients that come while the test lasts. What was confirmed to them is on every server at the end."""
    running.settle()
    made = Clients(running)
    wait_for("clients are served", lambda: len(made.confirmed) > 20, log=running.said)
    yield made
    made.stop()
    running.settle()
    running.cluster.check(made.rows())
    assert running.pods.recorder.most == 1


def struck(running: Database, clients: Clients, number: int, note: Note) -> float:
    """Strike the primary with this fault, and undo it. Seconds without the database."""
    primary = running.settle()
    fault, began = running.faults(primary)[number], time.monotonic()
    fault.strike()
    seconds = clients.outage(began)
    note("seconds", seconds)
    assert running.endpoint() is not primary
    fault.undo()
    running.settle()
    return seconds


def test_another_server_takes_over_when_mariadb_is_killed(running: Database, clients: Clients, record_property: Note) -> None:
    assert struck(running, clients, 0, record_property) < 15


@pytest.mark.soak
def test_another_server_takes_over_when_mariadb_hangs(running: Database, clients: Clients, record_property: Note) -> None:
    assert struck(running, clients, 1, record_property) < 20


@pytest.mark.soak
def test_another_server_takes_over_when_one_is_cut_off(running: Database, clients: Clients, record_property: Note) -> None:
    assert struck(running, clients, 2, record_property) < 20


def test_another_server_takes_over_when_a_pod_is_deleted(running: Database, clients: Clients, record_property: Note) -> None:
    assert struck(running, clients, 3, record_property) < 5


@pytest.mark.soak
def test_another_server_takes_over_when_a_node_is_lost(running: Database, clients: Clients, record_property: Note) -> None:
    assert struck(running, clients, 4, record_property) < 20


@pytest.mark.soak
def test_a_client_that_stays_connected_is_cut_off_soon_after_the_role_moves(
    running: Database, clients: Clients, record_property: Note
) -> None:
    primary = running.settle()
    stays = running.open()
    assert stays is not None
    running.pods.delete(primary.number)
    wait_for("it is cut off", lambda: not goes_on(stays), log=running.said)
    cut, (moved, to) = time.monotonic(), running.pods.recorder.primaries[-1]
    record_property("seconds from the move to the cut", cut - moved)
    assert to != primary.name
    assert cut - moved < 2
    again = running.open()
    assert again is not None
    assert goes_on(again)
    running.faults(primary)[3].undo()


def goes_on(connection: Connection) -> bool:
    """Whether the connection still works."""
    try:
        connection.ping(reconnect=False)
    except (pymysql.MySQLError, OSError):
        return False
    return True
