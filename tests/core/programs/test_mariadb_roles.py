from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mariadb_roles import (
    BACKUP,
    DRAIN,
    FENCE,
    PRIMARY,
    ROLE,
    Answer,
    Drain,
    Pod,
    Snapshot,
    Write,
    answer_of,
    chosen,
    decide,
    obstacle,
    pod_of,
    primary_component,
)

MINE = "mine"
FIT = Pod("mariadb-server-0", "u0", "1", 0, ready=True, role=BACKUP, fence=MINE)


def pod(number: int, **differs: Any) -> Pod:
    """A fit Pod that is settled as a backup, but for what differs."""
    return replace(FIT, name=f"mariadb-server-{number}", uid=f"u{number}", number=number, **differs)


def see(*pods: Pod, answers: dict[int, Answer] | None = None, replicas: int = 11) -> Snapshot:
    return Snapshot(replicas, pods, MINE, {f"u{number}": answer for number, answer in (answers or {}).items()})


def told(snapshot: Snapshot) -> list[tuple[int | None, str]]:
    return [(a.pod.number, a.role if isinstance(a, Write) else "drain") for a in decide(snapshot)]


def component(*numbers: int, ready: bool = True) -> Answer:
    return Answer(ready, frozenset(f"mariadb-server-{number}" for number in numbers))


# What the rule says, case by case.


def test_the_lowest_number_becomes_the_primary_not_the_first_in_the_alphabet() -> None:
    assert told(see(pod(10), pod(2), pod(1, ready=False))) == [(2, PRIMARY)]


def test_new_pods_become_backups_before_one_of_them_becomes_the_primary() -> None:
    new = [pod(number, role="", fence="") for number in (1, 0)]
    assert told(see(*new)) == [(1, BACKUP), (0, BACKUP)]


def test_a_primary_that_is_fit_stays_it_when_a_lower_number_returns() -> None:
    assert told(see(pod(0), pod(1, role=PRIMARY))) == []


@pytest.mark.parametrize(
    ("lost", "why"),
    [
        ({"terminating": True}, "it is being terminated"),
        ({"ready": False}, "it is not ready"),
        ({"number": None}, "it is not one of the StatefulSet's"),
        ({"number": 11}, "it is above the number of replicas"),
    ],
)
def test_who_is_not_fit_loses_the_role_before_another_gets_it(lost: dict[str, Any], why: str) -> None:
    holder = replace(pod(1, role=PRIMARY), **lost)
    assert decide(see(holder, pod(2))) == [Write(holder, BACKUP, drain=True, reason=why)]
    assert told(see(replace(holder, role=BACKUP), pod(2))) == [(2, PRIMARY)]


def test_nothing_is_written_as_long_as_nobody_is_fit() -> None:
    assert decide(see(pod(0, role=PRIMARY, ready=False), pod(1, terminating=True, role="junk"), pod(2, ready=False))) == []


def test_of_two_primaries_the_lower_number_stays() -> None:
    assert told(see(pod(2, role=PRIMARY), pod(1, role=PRIMARY), pod(0))) == [(2, BACKUP)]


def test_labels_that_mean_nothing_are_put_right() -> None:
    assert told(see(pod(0, role=PRIMARY), pod(1, role="Primary"), pod(2, role=""))) == [(1, BACKUP), (2, BACKUP)]


def test_a_pod_of_somebody_else_keeps_its_labels_but_for_the_role_of_the_primary() -> None:
    alien = replace(FIT, name="mariadb-server-debug", uid="x", number=None, fence="")
    assert told(see(replace(alien, role="junk"), pod(0, role=PRIMARY))) == []
    assert told(see(replace(alien, role=PRIMARY), pod(0, role=PRIMARY))) == [(None, BACKUP)]


def test_a_new_leader_puts_its_fence_on_every_pod_before_it_gives_the_role() -> None:
    foreign = [pod(0, fence="other"), pod(1, role=PRIMARY, fence="other", ready=False)]
    assert told(see(*foreign)) == [(1, BACKUP), (0, BACKUP)]
    assert told(see(pod(0, fence="other", role=PRIMARY), pod(1))) == [(0, PRIMARY)]


def test_the_clients_of_the_former_primary_are_sent_away_once_there_is_a_new_one() -> None:
    former = pod(0, drain=True)
    assert told(see(former, pod(1, role=PRIMARY))) == [(0, "drain")]
    assert told(see(replace(former, ready=False), pod(1))) == [(1, PRIMARY)]


def test_who_becomes_the_primary_again_keeps_its_clients() -> None:
    assert decide(see(pod(0, drain=True))) == [
        Write(pod(0, drain=True), PRIMARY, drain=False, reason="the fit server with the lowest number")
    ]


# With agents.


def test_a_holder_that_the_others_have_gone_on_without_is_replaced_although_kubernetes_thinks_it_ready() -> None:
    cut_off = pod(0, role=PRIMARY)
    majority = {1: component(1, 2), 2: component(1, 2)}
    assert told(see(cut_off, pod(1), pod(2), answers=majority)) == [(0, BACKUP)]
    assert told(see(cut_off, pod(1), pod(2), answers={0: component(0, 1, 2), **majority})) == [(0, BACKUP)]


def test_a_holder_whose_agent_is_silent_stays_as_long_as_the_others_count_on_it() -> None:
    everybody = {1: component(0, 1, 2), 2: component(0, 1, 2)}
    assert told(see(pod(0, role=PRIMARY), pod(1), pod(2), answers=everybody)) == []


def test_one_answer_against_another_moves_nothing() -> None:
    assert told(see(pod(0, role=PRIMARY), pod(1), pod(2), answers={0: component(0, 1, 2), 1: component(1, 2)})) == []


def test_of_two_components_of_which_one_answers_each_the_larger_counts() -> None:
    assert told(see(pod(0, role=PRIMARY), pod(1), pod(2), answers={0: component(0), 1: component(1, 2)})) == [(0, BACKUP)]


def test_servers_that_contradict_one_another_say_nothing() -> None:
    assert told(see(pod(0, role=PRIMARY), pod(1), pod(2), pod(3), answers={2: component(2, 3), 1: component(0, 1)})) == []
    assert told(see(pod(0, role=PRIMARY), pod(1), pod(2), pod(3), answers={3: component(2, 3), 1: component(1, 2)})) == []


def test_a_server_that_says_it_is_not_ready_is_not_fit() -> None:
    assert told(see(pod(0, role=PRIMARY), pod(1), answers={0: component(0, 1, ready=False)})) == [(0, BACKUP)]
    assert told(see(pod(0), pod(1), answers={0: Answer(ready=False)})) == [(1, PRIMARY)]


def test_a_server_that_kubernetes_thinks_not_ready_is_not_fit_whatever_it_says() -> None:
    assert told(see(pod(0, ready=False), pod(1), answers={0: component(0, 1)})) == [(1, PRIMARY)]


STATE = {"uid": "u0", "phase": "running", "ready": True, "wsrep": {"cluster_status": "Primary", "members": ["mariadb-server-0"]}}


def test_an_agent_says_who_is_in_its_primary_component() -> None:
    assert answer_of(STATE, FIT) == component(0)
    assert answer_of({**STATE, "ready": False, "wsrep": None}, FIT) == Answer(ready=False)
    assert answer_of({**STATE, "wsrep": {"cluster_status": "non-Primary", "members": ["mariadb-server-0"]}}, FIT) == Answer(
        ready=True
    )


def test_a_component_that_its_own_reporter_is_not_in_says_nothing() -> None:
    strange = {**STATE, "wsrep": {"cluster_status": "Primary", "members": ["another-name"]}}
    assert answer_of(strange, FIT) == Answer(ready=True)


@pytest.mark.parametrize(
    "state",
    [{**STATE, "uid": "old"}, {}, [], None, "x", {**STATE, "wsrep": 3}, {**STATE, "wsrep": {"cluster_status": "Primary"}}],
)
def test_an_answer_of_another_pod_or_without_sense_is_none(state: Any) -> None:
    assert answer_of(state, FIT) is None


# A Pod as the API has it.

BODY = {
    "metadata": {
        "name": "mariadb-server-10",
        "uid": "u",
        "resourceVersion": "7",
        "labels": {ROLE: PRIMARY},
        "annotations": {FENCE: "f", DRAIN: ""},
        "ownerReferences": [{"kind": "StatefulSet", "name": "mariadb-server", "controller": True}],
    },
    "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
}


def test_a_pod_is_read_from_its_object() -> None:
    assert pod_of(BODY) == Pod(
        "mariadb-server-10", "u", "7", 10, ready=True, role=PRIMARY, fence="f", drain=True, address="10.0.0.1"
    )


def test_a_pod_that_has_just_been_made_has_no_labels_and_no_status() -> None:
    bare = pod_of({"metadata": {"name": "mariadb-server-0", "uid": "u", "resourceVersion": "1", "deletionTimestamp": "x"}})
    assert bare == Pod("mariadb-server-0", "u", "1", None, terminating=True)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded", "Pending", "Unknown"])
def test_only_a_pod_that_runs_is_ready(phase: str) -> None:
    assert not pod_of({**BODY, "status": {**BODY["status"], "phase": phase}}).ready


@pytest.mark.parametrize(
    "name", ["mariadb-server-", "mariadb-server-01", "mariadb-server--1", "mariadb-server-1x", "x-mariadb-server-1"]
)
def test_a_name_that_the_statefulset_would_not_give_has_no_number(name: str) -> None:
    assert pod_of({**BODY, "metadata": {**BODY["metadata"], "name": name}}).number is None


def test_a_write_holds_for_the_pod_that_was_read_and_no_other() -> None:
    body = Write(FIT, PRIMARY, drain=False, reason="").body("word")["metadata"]
    assert (body["uid"], body["resourceVersion"]) == ("u0", "1")
    assert (body["labels"], body["annotations"]) == ({ROLE: PRIMARY}, {FENCE: "word", DRAIN: None})
    assert Drain(FIT).body("word")["metadata"]["annotations"] == {FENCE: "word", DRAIN: None}


# What holds for whatever is seen.

ROLES = st.sampled_from(["", PRIMARY, BACKUP, "junk"])
NUMBERS = st.lists(st.integers(0, 12), unique=True, max_size=5)
NAMES = st.integers(0, 5).map("mariadb-server-{}".format)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    pods = [
        pod(
            number,
            ready=draw(st.booleans()),
            terminating=draw(st.integers(0, 3)) == 0,
            role=draw(ROLES),
            fence=draw(st.sampled_from([MINE, MINE, "other", ""])),
            drain=draw(st.booleans()),
        )
        for number in draw(NUMBERS)
    ]
    answers = st.builds(Answer, st.booleans(), st.frozensets(NAMES, max_size=4))
    return Snapshot(
        draw(st.integers(1, 12)),
        pods,
        MINE,
        draw(st.dictionaries(st.sampled_from([p.uid for p in pods]), answers)) if pods else {},
    )


def after(snapshot: Snapshot, actions: Sequence[Write | Drain]) -> Snapshot:
    """What is seen when all of it was done."""
    pods = {p.uid: p for p in snapshot.pods}
    for action in actions:
        if isinstance(action, Drain):
            pods[action.pod.uid] = replace(pods[action.pod.uid], drain=False)
        else:
            drain = action.pod.drain if action.drain is None else action.drain
            pods[action.pod.uid] = replace(pods[action.pod.uid], role=action.role, fence=MINE, drain=drain)
    return replace(snapshot, pods=list(pods.values()))


def rounds(snapshot: Snapshot) -> list[tuple[Snapshot, list[Write | Drain]]]:
    """What is seen and done from here on, with nobody else about."""
    steps = []
    for _ in range(4):
        steps.append((snapshot, decide(snapshot)))
        snapshot = after(snapshot, steps[-1][1])
    return steps


@given(snapshots())
def test_the_role_is_given_only_where_no_other_has_it_and_all_bear_the_fence(snapshot: Snapshot) -> None:
    for seen, actions in rounds(snapshot):
        for one in [a.pod for a in actions if isinstance(a, Write) and a.role == PRIMARY and a.pod.role != PRIMARY]:
            assert len(actions) == 1
            assert not obstacle(one, seen)
            assert [p.role for p in seen.pods].count(PRIMARY) == 0
            assert {p.fence for p in seen.pods} == {MINE}


@given(snapshots())
def test_a_single_fit_holder_is_never_moved(snapshot: Snapshot) -> None:
    holder = chosen(snapshot)
    pods = [replace(p, role=PRIMARY if p is holder else p.role.replace(PRIMARY, BACKUP)) for p in snapshot.pods]
    for seen, actions in rounds(replace(snapshot, pods=pods)) if holder else ():
        assert PRIMARY in {p.role for p in seen.pods if p.uid == holder.uid}
        assert all((a.pod.uid == holder.uid) == (a.role == PRIMARY) for a in actions if isinstance(a, Write))


@given(snapshots())
def test_nothing_is_done_exactly_when_nobody_is_fit_or_all_is_well(snapshot: Snapshot) -> None:
    fit = [p for p in snapshot.pods if not obstacle(p, snapshot)]
    well = fit and [p for p in snapshot.pods if p.role == PRIMARY] == [chosen(snapshot)]
    well = well and all(p.fence == MINE and p.role in (PRIMARY, BACKUP) for p in snapshot.pods)
    well = well and not any(p.drain for p in snapshot.pods if p.role == BACKUP)
    assert (decide(snapshot) == []) == (not fit or well)


@given(snapshots())
def test_three_rounds_are_enough_for_whatever_is_seen(snapshot: Snapshot) -> None:
    settled, actions = rounds(snapshot)[3]
    assert actions == []
    if chosen(snapshot):
        assert [p.name for p in settled.pods if p.role == PRIMARY] == [chosen(snapshot).name]  # type: ignore[union-attr]


@given(snapshots())
def test_the_order_in_which_pods_are_listed_does_not_matter(snapshot: Snapshot) -> None:
    turned = replace(snapshot, pods=list(reversed(snapshot.pods)))
    assert chosen(turned) == chosen(snapshot)
    assert primary_component(turned) == primary_component(snapshot)


# Several controllers on one API, each of which takes itself for the leader: only the versions and fences hold them apart.


@dataclass
class Api:
    """Pods as the API keeps them: every change gives a new version, and a write that names another one fails."""

    pods: dict[str, Pod] = field(default_factory=dict)
    replicas: int = 3
    version: int = 0
    made: int = 0

    def put(self, new: Pod) -> None:
        self.version += 1
        self.pods[new.name] = replace(new, version=str(self.version))

    def make(self, number: int) -> None:
        self.made += 1
        self.put(replace(pod(number), uid=f"u{self.made}", ready=False, role="", fence=""))

    def patch(self, action: Write | Drain, fence: str) -> bool:
        """Whether the write was accepted."""
        now = self.pods.get(action.pod.name)
        if now is None or (now.uid, now.version) != (action.pod.uid, action.pod.version):
            return False
        changed = after(Snapshot(self.replicas, [now], fence), [action]).pods[0]
        self.put(replace(changed, fence=fence))
        return True


@dataclass
class Process:
    """A controller between two of its requests: what it was told by agents, what it read, what it is still going to write."""

    fence: str
    answers: dict[str, Answer] = field(default_factory=dict)
    seen: Snapshot = field(default_factory=see)
    todo: list[Write | Drain] = field(default_factory=list)


WHO, NUMBER = st.integers(0, 1), st.integers(0, 2)


class Controllers(RuleBasedStateMachine):
    """Servers come and go, controllers read and write in any order, die, and lose sight of writes that arrive much later."""

    def __init__(self) -> None:
        super().__init__()
        self.api = Api()
        self.words = 0
        self.processes = [Process(self.word()), Process(self.word())]
        self.late: list[tuple[Write | Drain, Snapshot]] = []

    def word(self) -> str:
        self.words += 1
        return f"word-{self.words}"

    @initialize(begun=st.integers(0, 8), doubted=NUMBER)
    def start(self, begun: int, doubted: int) -> None:
        """All servers are ready, but the second controller has heard otherwise of one, and the first is halfway."""
        for number in range(3):
            self.api.make(number)
            self.turn(number, ready=True)
        self.hear(1, doubted, answer=False)
        self.go_on(0, begun)

    @rule(who=WHO, requests=st.integers(1, 8))
    def go_on(self, who: int, requests: int) -> None:
        """A few of the controller's requests: it reads, writes one thing after the other, and reads again."""
        process = self.processes[who]
        for _ in range(requests):
            if not process.todo:
                process.seen = self.look(process.fence, process.answers)
                process.todo = decide(process.seen)
            elif not self.written(process.todo.pop(0), process.seen):
                process.todo = []

    @rule(who=WHO, number=NUMBER, answer=st.booleans())
    def hear(self, who: int, number: int, answer: bool) -> None:
        if now := self.api.pods.get(f"mariadb-server-{number}"):
            self.processes[who].answers = {**self.processes[who].answers, now.uid: Answer(answer)}

    @rule(who=WHO)
    def lose_sight_of_a_write(self, who: int) -> None:
        process = self.processes[who]
        if process.todo:
            self.late.append((process.todo[0], process.seen))
            process.todo, process.fence = [], self.word()

    @precondition(lambda self: self.late)
    @rule(which=st.integers(0, 9))
    def arrive_late(self, which: int) -> None:
        self.written(*self.late.pop(which % len(self.late)))

    @rule(who=WHO)
    def crash(self, who: int) -> None:
        self.processes[who] = Process(self.word())

    @rule(number=NUMBER, ready=st.booleans())
    def turn(self, number: int, ready: bool) -> None:
        now = self.api.pods.get(f"mariadb-server-{number}")
        if now and now.ready != ready:
            self.api.put(replace(now, ready=ready))

    @rule(number=NUMBER)
    def terminate(self, number: int) -> None:
        if now := self.api.pods.get(f"mariadb-server-{number}"):
            self.api.put(replace(now, terminating=True))

    @rule(number=NUMBER)
    def replace_pod(self, number: int) -> None:
        now = self.api.pods.pop(f"mariadb-server-{number}", None)
        if now is None:
            self.api.make(number)

    @rule(replicas=st.integers(1, 3))
    def scale(self, replicas: int) -> None:
        self.api.replicas = replicas

    def look(self, fence: str, answers: dict[str, Answer]) -> Snapshot:
        return Snapshot(self.api.replicas, list(self.api.pods.values()), fence, answers)

    def written(self, action: Write | Drain, seen: Snapshot) -> bool:
        """Write. The role may be taken only from who is not fit at that moment, as far as the writer knows, and given if so."""
        now = self.api.pods.get(action.pod.name)
        accepted = self.api.patch(action, seen.fence)
        if accepted and now and isinstance(action, Write) and action.role != now.role and PRIMARY in (action.role, now.role):
            assert bool(obstacle(now, replace(seen, pods=list(self.api.pods.values())))) == (action.role == BACKUP)
        return accepted

    @invariant()
    def at_most_one_has_the_role(self) -> None:
        assert [p.role for p in self.api.pods.values()].count(PRIMARY) <= 1

    def teardown(self) -> None:
        """One that is left alone comes to an end, and then a server that is fit has the role, if any is."""
        fence = self.word()
        for _ in range(6):
            for action in decide(self.look(fence, {})):
                assert self.api.patch(action, fence)
        seen = self.look(fence, {})
        assert decide(seen) == []
        if any(not obstacle(p, seen) for p in seen.pods):
            assert [p for p in seen.pods if p.role == PRIMARY] == [chosen(seen)]


TestControllers = Controllers.TestCase
TestControllers.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


def lost_race(obey_fences: bool) -> int:
    """How many primaries there are when a write of a paused controller arrives after another has taken over."""
    api = Api()
    for number in (0, 1):
        api.make(number)
        api.put(replace(api.pods[f"mariadb-server-{number}"], ready=True, role=BACKUP, fence="old"))
    (paused,) = decide(Snapshot(3, list(api.pods.values()), "old"))
    answers = {api.pods["mariadb-server-0"].uid: Answer(ready=False)}  # what the paused one did not know
    for _ in range(3):
        fence = "new" if obey_fences else "old"
        for action in decide(Snapshot(3, list(api.pods.values()), fence, answers)):
            api.patch(action, fence)
    api.patch(paused, "old")
    return [p.role for p in api.pods.values()].count(PRIMARY)


def test_without_fences_two_would_have_the_role() -> None:
    assert (lost_race(obey_fences=True), lost_race(obey_fences=False)) == (1, 2)
