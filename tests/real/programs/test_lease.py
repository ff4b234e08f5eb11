from __future__ import annotations

import time
from pathlib import Path

import kube
import pytest
from lease import Lease

from tests.real.cluster import Cluster
from tests.real.programs.cluster import account, rule

pytestmark = pytest.mark.real

GROUP = "coordination.k8s.io"
SECONDS = 2


@pytest.fixture
def api(kubernetes: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kube.Kube:
    """The client with the least rights that a Lease takes."""
    rules = [rule("leases", "create", group=GROUP), rule("leases", "get", "update", group=GROUP, names=("x",))]
    kubernetes.apply(account(namespace, "lease", rules))
    for name, value in kubernetes.mount(namespace, "lease", tmp_path).items():
        monkeypatch.setenv(name, value)
    return kube.Kube.in_cluster()


def pair(api: kube.Kube) -> tuple[Lease, Lease]:
    """A leader, and one that waits."""
    one, other = Lease(api, "x", "one", SECONDS), Lease(api, "x", "other", SECONDS)
    one.step()
    other.step()
    return one, other


def test_the_first_leads_and_goes_on_to(api: kube.Kube) -> None:
    one, other = pair(api)
    for _ in range(4):
        time.sleep(SECONDS / 2)
        one.step()
        other.step()
        assert (one.leads(), other.leads(), one.term) == (True, False, 1)


def test_a_leader_that_is_silent_stops_before_another_takes_over(api: kube.Kube) -> None:
    one, other = pair(api)
    time.sleep(SECONDS * 0.75)
    other.step()
    assert (one.leads(), other.leads()) == (False, False)
    time.sleep(SECONDS * 0.35)
    other.step()
    one.step()
    assert (one.leads(), other.leads()) == (False, True)
    assert api.get(kube.LEASES, "x")["spec"]["leaseTransitions"] == 2


def test_a_leader_that_was_silent_begins_a_new_term(api: kube.Kube) -> None:
    one, _ = pair(api)
    time.sleep(SECONDS * 0.75)
    one.step()
    assert (one.leads(), one.term) == (True, 2)


def test_a_leader_that_releases_is_followed_at_once_and_does_not_come_back(api: kube.Kube) -> None:
    one, other = pair(api)
    one.release()
    other.step()
    one.step()
    assert (one.leads(), other.leads()) == (False, True)
    one.release()
    assert api.get(kube.LEASES, "x")["spec"]["holderIdentity"] == "other"


def test_of_two_who_claim_at_the_same_time_one_leads(api: kube.Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair(api)
    one.release()
    third = Lease(api, "x", "third", SECONDS)
    write = Lease._write

    def late(lease: Lease, current: kube.Object, spec: dict[str, object]) -> None:
        monkeypatch.setattr(Lease, "_write", write)
        third.step()
        write(lease, current, spec)

    monkeypatch.setattr(Lease, "_write", late)
    other.step()
    assert (other.leads(), third.leads()) == (False, True)


def test_a_process_that_starts_anew_under_its_name_leads_at_once(api: kube.Kube) -> None:
    pair(api)
    again = Lease(api, "x", "one", SECONDS)
    again.step()
    assert again.leads()
    assert api.get(kube.LEASES, "x")["spec"]["leaseTransitions"] == 1
