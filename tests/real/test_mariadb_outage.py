"""The controller of the database while Kubernetes itself is in trouble: its API, its nodes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.api_injection import Injection, Trouble
from tests.real.cluster import Cluster
from tests.real.control_plane import ControlPlane
from tests.real.mariadb_controllers import LEASE_SECONDS, Controllers
from tests.real.mariadb_output import output
from tests.real.mariadb_pods import Recorder, Servers, until

pytestmark = pytest.mark.real

SETTLED = {0: "primary", 1: "backup", 2: "backup"}


@pytest.fixture
def servers(kubernetes: Cluster, namespace: str, tmp_path: Path) -> Iterator[Servers]:
    """Three Pods that are ready."""
    made = Servers(kubernetes, namespace, output(tmp_path / "output"))
    made.make(0, 1, 2)
    yield made
    made.recorder.stop()


@pytest.fixture
def controllers(servers: Servers, tmp_path: Path) -> Iterator[Controllers]:
    """The way to start controllers. The Pods have no agents."""
    made = Controllers(servers, tmp_path / "controllers")
    yield made
    made.stop()


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("how", ["refused", "lost"])
def test_an_api_that_fails_every_fifth_time_costs_seconds_and_never_makes_two_primaries(
    kubernetes: Cluster, servers: Servers, controllers: Controllers, tmp_path: Path, *, status: int, how: Trouble
) -> None:
    chance = random.Random(20260101)  # noqa: S311
    road = Injection(kubernetes, tmp_path / "road", status)
    controller = controllers.start("a", api_port=road.port, ca_file=road.ca_file)
    servers.settle(0)
    road.trouble = lambda _: how if chance.random() < 0.2 else None
    for fit in (1, 2, 0, 2, 1):
        for number in range(3):
            servers.turn(number, ready=number == fit)
        until(lambda fit=fit: servers.roles()[fit] == "primary", seconds=20)  # type: ignore[misc]
    road.stop()
    assert road.injected > 5
    assert controller.process.poll() is None
    assert controller.page("/healthz")[0] == 200
    assert servers.recorder.most == 1


def test_an_api_that_refuses_everything_changes_nothing_and_is_followed_at_once_when_it_does_not(
    kubernetes: Cluster, servers: Servers, controllers: Controllers, tmp_path: Path
) -> None:
    road = Injection(kubernetes, tmp_path / "road", 429)
    controller = controllers.start("a", api_port=road.port, ca_file=road.ca_file)
    servers.settle(0)
    road.trouble = lambda _: "refused"
    servers.turn(0, ready=False)
    until(lambda: not controller.leads())
    time.sleep(LEASE_SECONDS)
    assert servers.roles() == SETTLED
    road.trouble = lambda _: None
    assert servers.settle(1) < 5
    road.stop()


def test_controllers_outlive_the_api_although_all_that_they_had_has_expired(
    api_server: ControlPlane, servers: Servers, controllers: Controllers
) -> None:
    pair = [controllers.start(name) for name in "ab"]
    servers.settle(0)
    servers.recorder.stop()  # it would not outlive it
    with api_server.api_stopped():
        until(lambda: not any(c.leads() for c in pair))
        time.sleep(2 * LEASE_SECONDS)  # the Lease and the watches are void, and the pauses between attempts as long as they get
        assert [(c.process.poll(), c.page("/healthz")[0]) for c in pair] == [(None, 200)] * 2
    back = time.monotonic()
    servers.recorder = Recorder(servers.kubernetes, servers.namespace)
    assert servers.roles() == SETTLED
    servers.turn(0, ready=False)
    servers.settle(1)
    assert time.monotonic() - back < LEASE_SECONDS + 5
    assert sum(c.leads() for c in pair) == 1


def test_a_silent_node_has_the_role_until_kubernetes_takes_note_if_there_are_no_agents(
    servers: Servers, controllers: Controllers
) -> None:
    controllers.start("a")
    servers.settle(0)
    time.sleep(6)  # rounds without a sign of it
    assert servers.roles() == SETTLED
    assert servers.moved_after(lambda: servers.turn(0, ready=False), to=1) < 1


def test_a_pod_that_never_ends_loses_the_role_for_good_and_hinders_nobody(servers: Servers, controllers: Controllers) -> None:
    controller = controllers.start("a")
    servers.settle(0)
    assert servers.moved_after(lambda: servers.delete(0), to=1) < 1
    assert servers.moved_after(lambda: servers.delete(1), to=2) < 1
    time.sleep(6)
    assert servers.roles() == {0: "backup", 1: "backup", 2: "primary"}
    assert controller.figure("mariadb_controller_eligible") == 1
    servers.turn(2, ready=False)
    until(lambda: controller.figure("mariadb_controller_no_candidate") == 1)
    servers.remove(0)
    assert servers.moved_after(lambda: _made(servers, 0), to=0) < 1
    assert servers.recorder.most == 1


def _made(servers: Servers, number: int) -> None:
    servers.make(number)
