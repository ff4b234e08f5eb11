from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stackloom import Gate
from stackloom.constructs.component import Component, new_app
from stackloom.waves import ANNOTATION, set_waves


@pytest.fixture
def component(tmp_path: Path) -> Component:
    return Component(new_app(tmp_path), "glance", namespace="openstack", level=3)


def add(component: Component, kind: str, name: str, *, job: str = "", gate: Gate | None = None) -> dict[str, Any]:
    labels = {"stackloom.io/job": job} if job else {}
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}}
    return component.add(body, gate=gate).body


def waves(component: Component) -> dict[str, int]:
    set_waves(component)
    return {m.body["metadata"]["name"]: int(m.body["metadata"]["annotations"][ANNOTATION]) for m in component.manifests}


def test_accounts_come_before_configuration_and_that_before_workloads_and_those_before_routes(component: Component):
    for kind in ("Ingress", "Deployment", "ConfigMap", "ServiceAccount"):
        add(component, kind, kind)
    assert waves(component) == {"ServiceAccount": 60, "ConfigMap": 61, "Deployment": 62, "Ingress": 79}


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_a_claim_comes_with_the_first_workload_that_mounts_it(component: Component, kind: str):
    first = add(component, kind, "first", gate=Gate(jobs=("sync",)))
    later = add(component, "Deployment", "later", gate=Gate(services=("first",)))
    add(component, "Job", "sync-0123456789", job="sync")
    add(component, "PersistentVolumeClaim", "images")
    pod = {"template": {"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "images"}}]}}}
    first["spec"], later["spec"] = ({"jobTemplate": {"spec": pod}} if kind == "CronJob" else pod), pod
    found = waves(component)
    assert (found["images"], found["first"], found["later"]) == (63, 63, 64)


def test_workloads_come_in_the_order_in_which_their_gates_let_them_through(component: Component):
    add(component, "Deployment", "glance-api", gate=Gate(jobs=("glance-db-sync",), services=("mariadb",)))
    add(component, "Job", "glance-db-sync-0123456789", job="glance-db-sync", gate=Gate(jobs=("glance-create",)))
    add(component, "Job", "glance-create-0123456789", job="glance-create", gate=Gate(services=("mariadb",)))
    add(component, "Job", "glance-load-0123456789", job="glance-load", gate=Gate(services=("glance-api",)))
    assert list(waves(component).values()) == [64, 63, 62, 65]


def test_what_other_components_bring_is_no_matter_of_this_one(component: Component):
    add(component, "Deployment", "glance-api", gate=Gate(services=("mariadb", "keystone-api"), jobs=("keystone-bootstrap",)))
    assert waves(component) == {"glance-api": 62}


def test_a_component_never_reaches_into_the_waves_of_the_next(component: Component):
    add(component, "Deployment", "d0")
    for i in range(1, 30):
        add(component, "Deployment", f"d{i}", gate=Gate(services=(f"d{i - 1}",)))
    assert max(waves(component).values()) == 79


def test_workloads_that_wait_for_each_other_still_get_waves(component: Component):
    add(component, "Deployment", "a", gate=Gate(services=("b",)))
    add(component, "Deployment", "b", gate=Gate(services=("a",)))
    assert set(waves(component)) == {"a", "b"}


def test_a_wave_that_is_given_is_kept(component: Component):
    add(component, "Deployment", "early")["metadata"]["annotations"] = {ANNOTATION: "-5", "note": "mine"}
    assert waves(component) == {"early": -5}
    assert component.manifests[0].body["metadata"]["annotations"]["note"] == "mine"
