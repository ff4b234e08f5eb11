from __future__ import annotations

from typing import Any

import gate
import pytest
from hypothesis import given
from hypothesis import strategies as st
from program import Failure

Object = dict[str, Any]


def endpoint_slice(service: str, *ready: bool | None) -> Object:
    endpoints = [{"addresses": ["10.0.0.1"], "conditions": {} if r is None else {"ready": r}} for r in ready]
    return {"metadata": {"name": f"{service}-x", "labels": {gate.SERVICE_LABEL: service}}, "endpoints": endpoints or None}


def job(name: str, condition: str = "", *, deleted: bool = False, status: str = "True") -> Object:
    metadata: Object = {"name": f"{name}-1a2b", "labels": {gate.JOB_LABEL: name}}
    metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {}
    return {"metadata": metadata, "status": {"conditions": [{"type": condition, "status": status}]} if condition else {}}


def pod(*, ready: bool, deleted: bool = False) -> Object:
    metadata = {"name": "p", **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {})}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


def waits_for_service(*slices: Object) -> bool:
    return bool(gate.missing(gate.Needs(services=("db",)), gate.Seen(slices=slices)))


def waits_for_job(*jobs: Object) -> str:
    return "; ".join(gate.missing(gate.Needs(jobs=("sync",), release="r"), gate.Seen(jobs=jobs)))


def test_a_job_of_the_infrastructure_is_waited_for_whatever_the_release() -> None:
    needs = gate.Needs(lasting=("clients",))
    assert gate.missing(needs, gate.Seen()) == ["no Job clients yet"]
    assert gate.missing(needs, gate.Seen(jobs=[job("clients", "Complete")])) == []


def waits_for_pod(*pods: Object) -> bool:
    return bool(gate.missing(gate.Needs(pods=("a=b",), node="n"), gate.Seen(pods={"a=b": pods})))


def waits_for_end(*phases: str) -> bool:
    former = [{"metadata": {"name": f"p-{phase}"}, "status": {"phase": phase}} for phase in phases]
    return bool(gate.missing(gate.Needs(replaced=("a",), release="r"), gate.Seen(former=former)))


def test_pods_of_another_release_are_waited_for_until_they_have_ended() -> None:
    assert not waits_for_end()
    assert not waits_for_end("Succeeded", "Failed")
    assert waits_for_end("Succeeded", "Running")
    assert waits_for_end("Pending")


def test_a_service_is_there_when_any_endpoint_of_any_slice_is_ready() -> None:
    assert not waits_for_service(endpoint_slice("db", False), endpoint_slice("db", False, True))


def test_an_endpoint_of_unknown_readiness_counts_as_ready() -> None:
    assert not waits_for_service(endpoint_slice("db", None))


@pytest.mark.parametrize("slices", [[], [endpoint_slice("db")], [endpoint_slice("db", False)], [endpoint_slice("other", True)]])
def test_a_service_without_a_ready_endpoint_is_waited_for(slices: list[Object]) -> None:
    assert waits_for_service(*slices)


def test_a_job_that_has_succeeded_opens_the_gate() -> None:
    assert waits_for_job(job("sync", "Complete")) == ""


def test_a_job_that_runs_beside_one_that_succeeded_keeps_it_shut() -> None:
    assert waits_for_job(job("sync", "Complete"), job("sync")) == "Job sync-1a2b is still running"


def test_a_failed_job_is_named_until_another_one_succeeds() -> None:
    assert waits_for_job(job("sync", "Failed")) == "Job sync-1a2b has failed"
    assert waits_for_job(job("sync", "Failed"), job("sync", "Complete")) == ""


def test_a_job_under_deletion_counts_while_it_runs_but_its_success_does_not() -> None:
    assert waits_for_job(job("sync", deleted=True), job("sync", "Complete")) == "Job sync-1a2b is still running"
    assert waits_for_job(job("sync", "Complete", deleted=True)) == "no Job sync yet"


def test_a_condition_that_is_not_true_says_nothing() -> None:
    assert waits_for_job(job("sync", "Complete", status="False")) == "Job sync-1a2b is still running"


def test_a_job_of_another_name_is_of_no_account() -> None:
    assert waits_for_job(job("other", "Complete")) == "no Job sync yet"


def test_a_pod_on_the_node_must_be_ready_and_not_about_to_go() -> None:
    assert not waits_for_pod(pod(ready=False), pod(ready=True))
    assert waits_for_pod(pod(ready=False))
    assert waits_for_pod(pod(ready=True, deleted=True))
    assert waits_for_pod()


STATES = st.sampled_from(["Complete", "Failed", ""])


@given(states=st.lists(STATES, max_size=5), gone=st.lists(st.booleans(), min_size=5, max_size=5))
def test_the_gate_opens_for_jobs_exactly_when_one_has_succeeded_and_none_runs(states: list[str], gone: list[bool]) -> None:
    jobs = [job("sync", state, deleted=deleted) for state, deleted in zip(states, gone, strict=False)]
    succeeded = any(state == "Complete" and not deleted for state, deleted in zip(states, gone, strict=False))
    assert (waits_for_job(*jobs) == "") == (succeeded and "" not in states)


NEEDS = st.builds(
    gate.Needs,
    services=st.sets(st.sampled_from("abc")).map(lambda s: tuple(sorted(s))),
    jobs=st.sets(st.sampled_from("abc")).map(lambda s: tuple(sorted(s))),
)


@given(needs=NEEDS, present=st.sets(st.sampled_from("abc")))
def test_every_need_that_is_not_met_is_named_once(needs: gate.Needs, present: set[str]) -> None:
    seen = gate.Seen(slices=[endpoint_slice(s, True) for s in present], jobs=[job(j, "Complete") for j in present])
    absent = sorted([*(s for s in needs.services if s not in present), *(j for j in needs.jobs if j not in present)])
    assert sorted(text.split()[1 if text.startswith("Service") else 2] for text in gate.missing(needs, seen)) == absent


def test_the_environment_is_read_without_blanks_and_doubles() -> None:
    env = {"GATE_SERVICES": "a, b,,a", "GATE_JOBS": "j", "GATE_RELEASE": "r", "GATE_NODE_PODS": "x=1,y=2; z=3", "NODE_NAME": "n"}
    env |= {"GATE_LASTING_JOBS": "k"}
    assert gate.needs_from(env) == gate.Needs(("a", "b"), ("j",), "r", ("x=1,y=2", "z=3"), "n", ("k",))
    assert gate.needs_from({}) == gate.Needs()


@pytest.mark.parametrize(
    ("env", "message"),
    [({"GATE_JOBS": "j"}, "GATE_RELEASE"), ({"GATE_REPLACED": "a"}, "GATE_RELEASE"), ({"GATE_NODE_PODS": "a=b"}, "NODE_NAME")],
)
def test_an_environment_that_contradicts_itself_is_a_failure(env: dict[str, str], message: str) -> None:
    with pytest.raises(Failure, match=message):
        gate.needs_from(env)


def test_it_says_what_it_waits_for_when_that_changes_and_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    observed = iter([["a", "b"], ["a", "b"], ["b"], *[["b"]] * 16, []])
    gate.wait(lambda: next(observed), lambda: now.__setitem__(0, now[0] + 2), lambda: now[0])
    assert capsys.readouterr().out.splitlines() == ["waiting: a; b", "waiting: b", "waiting: b", "all there"]
