"""Servers that report to a real Kubernetes API, orders of humans there, and what a step of the coordination makes of both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kube
import pytest
from kube import CONFIG_MAPS, PODS
from mariadb_election import coordinate
from mariadb_leave import main as leave
from mariadb_options import Settings
from mariadb_peers import backups
from mariadb_registry import Registry
from mariadb_reports import Decision, Refusal, State
from mariadb_volume import Position, Volume

from tests.real.cluster import Cluster
from tests.real.programs.cluster import account, pod, rule

pytestmark = pytest.mark.real

ONE = "11111111-1111-1111-1111-111111111111"
NAMES = [f"mariadb-server-{i}" for i in range(3)]
Reporting = Callable[..., list[Registry]]


@pytest.fixture
def api(kubernetes: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kube.Kube:
    """The API, with the rights of a server and of the controller."""
    rules = [rule("configmaps", "get", "create", "patch"), rule("pods", "get")]
    kubernetes.apply(account(namespace, "all", rules))
    for name, value in kubernetes.mount(namespace, "all", tmp_path / "account").items():
        monkeypatch.setenv(name, value)
    return kube.Kube.in_cluster()


@pytest.fixture
def reporting(api: kube.Kube, tmp_path: Path) -> Reporting:
    """Has servers report that they are stopped at these positions, with the numbers of the members that they know of."""

    def report(*seqnos: int, members: str = "") -> list[Registry]:
        registries = []
        for name, seqno in zip(NAMES, seqnos, strict=False):
            env = {"POD_NAME": name, "POD_UID": name, "POD_IP": "::1", "MARIADB_PEERS": "x", "MARIADB_VOLUME": str(tmp_path)}
            volume = Volume(tmp_path / name)
            (tmp_path / name).mkdir()
            volume.view_record.write_text(f"{ONE} " + ",".join(f"u/mariadb-server-{n}/a" for n in members))
            registry = Registry(Settings.read(env), api, volume)
            registry.publish(Position("crashed", ONE, seqno), registry.state())
            registries.append(registry)
        return registries

    return report


def order(api: kube.Kube, **notes: str) -> None:
    """What a human writes."""
    body = {f"stackloom.io/{name.replace('_', '-')}": value for name, value in notes.items()}
    api.patch(CONFIG_MAPS, "mariadb-state", {"metadata": {"annotations": body}})


def notes(api: kube.Kube) -> dict[str, Any]:
    """What stands there."""
    return api.get(CONFIG_MAPS, "mariadb-state")["metadata"].get("annotations") or {}


def test_those_who_hold_the_newest_data_start_although_a_lost_node_still_counts_as_ready(
    api: kube.Kube, reporting: Reporting
) -> None:
    reporting(4, 5, members="01")
    decision = coordinate(api, 3, silent=NAMES[2:])
    assert isinstance(decision, Decision)
    assert (decision.pod, decision.mode) == (NAMES[1], "bootstrap")
    assert coordinate(api, 3) == decision == State.read(api.get(CONFIG_MAPS, "mariadb-state")).pending


def test_an_order_to_start_waits_until_it_is_known_whether_a_silent_server_lives(api: kube.Kube, reporting: Reporting) -> None:
    reporting(4, 5, members="012")
    order(api, force_bootstrap=NAMES[0])
    waits = coordinate(api, 3, silent=NAMES[2:])
    assert isinstance(waits, Refusal)
    assert "mariadb-server-2 is ready as far as Kubernetes knows" in waits.reason
    decision = coordinate(api, 3)
    assert isinstance(decision, Decision)
    assert (decision.pod, decision.mode, decision.uuid == ONE) == (NAMES[0], "forced", False)
    assert notes(api) == {}


def test_an_order_to_start_is_taken_off_where_a_cluster_runs(api: kube.Kube, reporting: Reporting) -> None:
    reporting(4)
    order(api, force_bootstrap=NAMES[0])
    refused = coordinate(api, 3, alive=NAMES[1:])
    assert isinstance(refused, Refusal)
    assert refused.alert
    assert notes(api) == {}


def test_an_order_to_restore_waits_until_all_have_stopped(api: kube.Kube, reporting: Reporting) -> None:
    reporting(4, 5)
    order(api, restore="monday-3", restore_failed="sunday: before")
    for alive in (NAMES[2:], []):
        assert isinstance(coordinate(api, 3, alive=alive), Refusal)
        assert notes(api)["stackloom.io/restore"] == "monday-3"
    decision = coordinate(api, 2)
    assert isinstance(decision, Decision)
    assert (decision.pod, decision.mode, decision.restore) == (NAMES[0], "restore", "monday-3")
    assert decision.uuid != ONE
    assert notes(api) == {}


def test_what_cannot_name_a_backup_is_refused(api: kube.Kube, reporting: Reporting) -> None:
    reporting(4)
    order(api, restore="../Monday")
    assert isinstance(coordinate(api, 3), Refusal)
    assert notes(api) == {"stackloom.io/restore-failed": "what is to be restored must be named with up to 63 of a-z, 0-9 and -"}


def test_a_server_takes_off_an_order_that_it_cannot_follow(api: kube.Kube, reporting: Reporting) -> None:
    (registry,) = reporting(4)
    order(api, restore="monday-3")
    registry.refuse_restore("monday-3: there is none")
    assert notes(api) == {"stackloom.io/restore-failed": "monday-3: there is none"}
    assert set(registry.state().reports) == {NAMES[0]}


def test_copies_are_taken_from_backups_and_the_primary_stays_until_it_is_one(
    api: kube.Kube, kubernetes: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = ("primary", "backup", "")
    kubernetes.apply([pod(namespace, n, {"mariadb_role": r} if r else {}, "node") for n, r in zip(NAMES, roles, strict=True)])
    assert backups(api, NAMES) == [NAMES[1]]
    assert backups(api, ["mariadb-server-7", *NAMES]) == []
    assert backups(dataclasses.replace(api, port=1), NAMES) == []
    monkeypatch.setenv("MARIADB_PEERS", "a,b,c")
    monkeypatch.setenv("POD_NAME", NAMES[0])
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            kubernetes.apply([pod(namespace, NAMES[0], {"mariadb_role": "backup"}, "node")])

    monkeypatch.setattr("time.sleep", pause)
    leave([])
    assert pauses == [0.2, 0.2, 0.2, 2.0]
    assert api.get(PODS, NAMES[0])["metadata"]["labels"] == {"mariadb_role": "backup"}
