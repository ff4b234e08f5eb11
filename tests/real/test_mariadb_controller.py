from __future__ import annotations

import json
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.api_roads import Road
from tests.real.cluster import Cluster, Object
from tests.real.mariadb_controllers import LEASE_SECONDS, Agent, Controllers, answering
from tests.real.mariadb_output import SERVERS, output
from tests.real.mariadb_pods import Servers, until
from tests.real.servers import free_port

pytestmark = pytest.mark.real

SETTLED = {0: "primary", 1: "backup", 2: "backup"}


@pytest.fixture
def count() -> int:
    return 3


@pytest.fixture
def servers(kubernetes: Cluster, namespace: str, tmp_path: Path, count: int) -> Iterator[Servers]:
    """A StatefulSet of three, and no Pod of it yet. At no time have two of them the role."""
    made = Servers(kubernetes, namespace, output(tmp_path / "output", count))
    yield made
    made.recorder.stop()


@pytest.fixture
def controllers(servers: Servers, tmp_path: Path) -> Iterator[Controllers]:
    """The way to start controllers."""
    made = Controllers(servers, tmp_path / "controllers")
    yield made
    made.stop()


@pytest.fixture
def agents(controllers: Controllers) -> Iterator[dict[int, Agent]]:
    """An agent beside each of the three servers."""
    controllers.agent_port = free_port()
    made = {number: Agent(number, controllers.agent_port) for number in range(3)}
    yield made
    for agent in made.values():
        agent.stop()


def agree(servers: Servers, agents: dict[int, Agent], members: dict[int, list[int]]) -> None:
    """Make the agents say so."""
    for number, state in answering(servers, members):
        agents[number].state = state


def test_the_first_primary_is_the_lowest_number_and_the_rest_are_backups(servers: Servers, controllers: Controllers) -> None:
    servers.make(2, 1, 0)
    controller = controllers.start("a")
    servers.settle(0)
    until(lambda: controller.page("/readyz")[0] == 200)
    assert controller.page("/healthz") == (200, "ok\n")
    until(lambda: controller.figure("mariadb_controller_primaries") == 1)
    assert [e["message"] for e in servers.events()] == ["mariadb-server-0 takes the writes. The former primary: there was none"]
    assert servers.recorder.most == 1


def test_the_role_leaves_a_pod_within_a_second_of_its_deletion(servers: Servers, controllers: Controllers) -> None:
    servers.make(0, 1, 2)
    controllers.start("a")
    servers.settle(0)
    assert servers.moved_after(lambda: servers.delete(0), to=1) < 1
    assert servers.moved_after(lambda: servers.turn(1, ready=False), to=2) < 1
    assert servers.roles() == {0: "backup", 1: "backup", 2: "primary"}
    assert servers.recorder.most == 1


def test_who_returns_does_not_take_the_role_back(servers: Servers, controllers: Controllers) -> None:
    servers.make(0, 1)
    controllers.start("a")
    servers.settle(0)
    servers.remove(0)
    servers.settle(1)
    servers.make(0)
    servers.settle(1)
    assert [name for _, name in servers.recorder.primaries] == ["mariadb-server-0", "mariadb-server-1"]


def test_labels_stay_while_nobody_is_ready_and_follow_the_first_who_is(servers: Servers, controllers: Controllers) -> None:
    servers.make(0, 1, 2)
    controller = controllers.start("a")
    servers.settle(0)
    for number in (2, 1, 0):
        servers.turn(number, ready=False)
    until(lambda: controller.figure("mariadb_controller_no_candidate") == 1)
    assert servers.roles() == SETTLED
    assert servers.moved_after(lambda: servers.turn(2, ready=True), to=2) < 1
    assert "NoPrimaryPossible" in {e["reason"] for e in servers.events()}


@pytest.mark.parametrize("count", [11])
def test_of_eleven_the_second_comes_before_the_tenth(servers: Servers, controllers: Controllers) -> None:
    servers.make(*range(11), ready=False)
    for number in (10, 2):
        servers.turn(number, ready=True)
    controllers.start("a")
    servers.settle(2)


def test_a_pod_above_the_number_of_replicas_loses_the_role(servers: Servers, controllers: Controllers) -> None:
    servers.make(0, 1, 2, ready=False)
    servers.turn(2, ready=True)
    controllers.start("a")
    servers.settle(2)
    servers.scale(1)
    assert servers.moved_after(lambda: servers.turn(0, ready=True), to=0) < 1


@pytest.mark.parametrize("labels", [{1: "primary"}, {0: None}, {0: "Primary", 1: "primary", 2: ""}, {2: None}])
def test_labels_that_somebody_wrote_by_hand_are_put_right(
    servers: Servers, controllers: Controllers, labels: dict[int, str | None]
) -> None:
    servers.make(0, 1, 2)
    controllers.start("a")
    servers.settle(0)
    for number, role in labels.items():
        servers.label(number, role)
    until(lambda: sorted(servers.roles().values()) == ["backup", "backup", "primary"], seconds=5)


def test_a_pod_that_takes_anothers_place_never_inherits_a_role(servers: Servers, controllers: Controllers) -> None:
    servers.make(0, 1, 2)
    controllers.start("a")
    servers.settle(0)
    for _ in range(10):
        (holder,) = (number for number, role in servers.roles().items() if role == "primary")
        servers.turn(holder, ready=False)
        servers.remove(holder)
        servers.make(holder, ready=False)
        until(lambda holder=holder: "primary" in {r for n, r in servers.roles().items() if n != holder})  # type: ignore[misc]
        servers.turn(holder, ready=True)
    assert servers.recorder.most == 1


# Two controllers.


def test_a_leader_that_ends_lets_the_other_lead_at_once_and_one_that_is_killed_soon(
    servers: Servers, controllers: Controllers
) -> None:
    servers.make(0, 1, 2)
    first = controllers.start("a")
    servers.settle(0)
    second, started = controllers.start("b"), time.monotonic()
    until(lambda: second.page("/readyz")[0] == 200)
    first.process.send_signal(signal.SIGTERM)
    assert until(second.leads) < LEASE_SECONDS / 2
    assert (first.process.wait(5), time.monotonic() > started) == (143, True)
    third = controllers.start("c")
    until(lambda: third.page("/readyz")[0] == 200)
    second.process.kill()
    assert servers.moved_after(lambda: servers.turn(0, ready=False), to=1) < LEASE_SECONDS + 2
    assert servers.recorder.most == 1


def test_a_leader_that_is_paused_between_two_writes_does_no_harm_when_it_wakes(
    servers: Servers, controllers: Controllers, agents: dict[int, Agent]
) -> None:
    servers.make(0, 1, 2)
    first = controllers.start("a")
    servers.settle(0)
    second = controllers.start("b")
    until(lambda: second.page("/readyz")[0] == 200)
    for _ in range(20):
        servers.turn(0, ready=False)
        until(lambda: servers.recorder.primaries[-1:] == [] or servers.recorder.holders() != [f"{SERVERS}-0"])
        first.freeze()
        time.sleep(0.2)
        if servers.recorder.holders() == []:
            break
        first.thaw()
        servers.turn(0, ready=True)
        servers.turn(1, ready=False)
        servers.settle(0)
        servers.turn(1, ready=True)
    assert servers.recorder.holders() == []
    # The first has chosen 1, or is about to. The second hears that 1 is not fit, of which the API knows nothing.
    uid = servers.recorder.pods[f"{SERVERS}-1"]["metadata"]["uid"]
    agents[1].state = {"uid": uid, "phase": "joining", "ready": False, "wsrep": None}
    until(lambda: servers.recorder.holders() == [f"{SERVERS}-2"])
    first.thaw()
    time.sleep(1.0)
    assert (first.leads(), second.leads()) == (False, True)
    assert servers.roles() == {0: "backup", 1: "backup", 2: "primary"}
    assert servers.recorder.most == 1


def test_whatever_happens_to_servers_and_controllers_two_never_have_the_role(servers: Servers, controllers: Controllers) -> None:
    chance = random.Random(20260101)  # noqa: S311
    servers.make(0, 1, 2)
    pair = [controllers.start(name) for name in "ab"]
    servers.settle(0)
    until(lambda: sum(c.leads() for c in pair) == 1)
    deadline = time.monotonic() + 12
    while time.monotonic() < deadline:
        number, one = chance.randrange(3), chance.choice(pair)
        if chance.random() < 0.2:
            one.freeze()
            time.sleep(chance.uniform(0, 1.2 * LEASE_SECONDS))
            one.thaw()
        elif chance.random() < 0.3:
            servers.remove(number)
            servers.make(number)
        else:
            servers.turn(number, ready=chance.random() < 0.5)
        time.sleep(chance.uniform(0, 0.05))
    servers.turn(1, ready=True)
    until(lambda: "primary" in servers.roles().values())
    assert len(servers.recorder.primaries) > 3
    assert servers.recorder.most == 1


# The API.


@pytest.mark.parametrize("how", ["cut", "mute"])
def test_without_the_api_nothing_ends_or_changes_and_afterwards_all_is_well_in_seconds(
    kubernetes: Cluster, servers: Servers, controllers: Controllers, how: str
) -> None:
    servers.make(0, 1, 2)
    road = Road(kubernetes.port)
    controller = controllers.start("a", api_port=road.port)
    servers.settle(0)
    with getattr(road, how)():
        servers.turn(0, ready=False)
        until(lambda: not controller.leads())
        time.sleep(2)
        assert (servers.roles(), controller.page("/healthz")[0]) == (SETTLED, 200)
        assert controller.process.poll() is None
    assert servers.settle(1) < 5
    assert controller.figure("mariadb_controller_api_errors_total") > 0
    assert servers.recorder.most == 1
    road.close()


def test_a_watch_that_is_silent_delays_nothing_beyond_the_next_look(
    kubernetes: Cluster, servers: Servers, controllers: Controllers
) -> None:
    servers.make(0, 1, 2)
    rules = [{**r, "verbs": [v for v in r["verbs"] if v != "watch"]} for r in servers.output["Role/mariadb-controller"]["rules"]]
    servers.allow(rules)
    controllers.start("a")
    servers.settle(0)
    assert servers.moved_after(lambda: servers.turn(0, ready=False), to=1) < 6


# Agents.


def test_agents_move_the_role_from_a_server_that_kubernetes_still_thinks_ready(
    servers: Servers, controllers: Controllers, agents: dict[int, Agent]
) -> None:
    servers.make(0, 1, 2)
    controllers.start("a")
    servers.settle(0)
    agree(servers, agents, {n: [0, 1, 2] for n in range(3)})
    time.sleep(1.5)
    agents[0].stop()
    time.sleep(2.5)
    assert servers.roles() == SETTLED
    assert servers.moved_after(lambda: agree(servers, agents, {1: [1, 2], 2: [1, 2]}), to=1) < 2
    assert servers.recorder.most == 1


def test_the_clients_of_the_former_primary_are_sent_away_and_only_they(
    servers: Servers, controllers: Controllers, agents: dict[int, Agent]
) -> None:
    servers.make(0, 1, 2)
    controllers.start("a")
    servers.settle(0)
    agents[0].refuses = True
    servers.delete(0)
    servers.settle(1)
    agents[0].refuses = False
    until(lambda: agents[0].drained)
    until(lambda: "stackloom.io/drain" not in servers.recorder.pods[f"{SERVERS}-0"]["metadata"]["annotations"])
    time.sleep(1.5)
    assert [len(agent.drained) for agent in agents.values()] == [1, 0, 0]


# Recovery.


def report(pod: Object, seqno: int) -> str:
    """What a server says that was killed at this position."""
    position = {"class": "crashed", "uuid": "6dbb1fce-0000-11f0-8000-000000000001", "seqno": seqno, "safe_to_bootstrap": False}
    return json.dumps({"uid": pod["metadata"]["uid"], **position, "epoch": 0, "time": ""})


def test_the_leader_says_which_server_starts_when_all_have_stopped(
    kubernetes: Cluster, servers: Servers, controllers: Controllers
) -> None:
    servers.make(0, 1, 2, ready=False)
    until(lambda: len(servers.recorder.pods) == 3)
    reports = {f"report.{name}": report(body, 100 + int(name[-1])) for name, body in servers.recorder.pods.items()}
    meta = {"name": "mariadb-state", "namespace": servers.namespace}
    kubernetes.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": reports}])
    controllers.start("a")
    path = f"/api/v1/namespaces/{servers.namespace}/configmaps/mariadb-state"
    until(lambda: "decision" in kubernetes.request("GET", path).object["data"])
    decision = json.loads(kubernetes.request("GET", path).object["data"]["decision"])
    assert (decision["pod"], decision["mode"], decision["seqno"]) == ("mariadb-server-2", "bootstrap", 102)


# Rights.


def test_each_permission_that_is_missing_is_named(servers: Servers, controllers: Controllers) -> None:
    servers.make(0, 1, 2)
    rules = servers.output["Role/mariadb-controller"]["rules"]
    controller = controllers.start("a")
    until(lambda: controller.page("/readyz")[0] == 200)
    controller.process.kill()
    for place, rule in enumerate(rules):
        for verb in rule["verbs"]:
            less = [{**r, "verbs": [v for v in r["verbs"] if (i, v) != (place, verb)]} for i, r in enumerate(rules)]
            servers.allow([r for r in less if r["verbs"]])
            poorer = controllers.start(f"without-{place}-{verb}")
            until(lambda: "the Role lacks" in poorer.page("/readyz")[1])  # noqa: B023
            status, said = poorer.page("/readyz")
            assert (status, re.findall(r"\w+ \w+", said.partition(": ")[2])[0]) == (503, f"{verb} {rule['resources'][0]}")
            assert said.strip() in poorer.log()
            poorer.process.kill()


def test_a_role_that_comes_after_the_controller_is_enough(servers: Servers, controllers: Controllers) -> None:
    servers.make(0, 1, 2)
    rules = servers.output["Role/mariadb-controller"]["rules"]
    servers.allow([])
    controller = controllers.start("a")
    until(lambda: "the Role lacks" in controller.page("/readyz")[1])
    servers.allow(rules)
    servers.settle(0)
    until(lambda: controller.page("/readyz")[0] == 200)
