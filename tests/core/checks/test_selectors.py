from __future__ import annotations

import copy
from typing import Any

import pytest

from stackloom.checks import selectors
from stackloom.model.output import Output
from tests.core.checks.cloud import API, FIRST, IMAGES, JOB, POD, Mistake, body, changed, cloud, mistakes, said

SERVICE = "keystone/Service/keystone-api"
BUDGET = "keystone/PodDisruptionBudget/keystone-api"
POLICY = "keystone/NetworkPolicy/keystone-api"
OWN_LABEL = "Give each workload a label, or a value of one, that no other has"


def copied(path: str, name: str) -> Output:
    o = next(o for o in cloud() if o.path == path)
    again = copy.deepcopy(dict(o.body))
    again["metadata"]["name"] = name
    return Output(o.component, again)


@pytest.mark.parametrize("mistake", mistakes("selectors"))
def test_a_selector_that_selects_the_wrong_things_is_reported(mistake: Mistake) -> None:
    assert said(selectors.check, mistake.output) == [mistake.says]


def test_a_workload_selects_the_pods_of_its_own_template() -> None:
    assert (
        f"{IMAGES}: spec.selector: does not select the Pods of its own template. Make the labels of spec.template the same"
        in said(selectors.check, changed(IMAGES, "spec", "template", "metadata", "labels", "application", to="image"))
    )


def test_a_workload_selects_no_pods_of_another() -> None:
    assert said(selectors.check, [*cloud(), copied(IMAGES, "glance-spare")]) == [
        f"{IMAGES}: spec.selector: selects the Pods of glance/StatefulSet/glance-spare too. {OWN_LABEL}",
        f"glance/StatefulSet/glance-spare: spec.selector: selects the Pods of {IMAGES} too. {OWN_LABEL}",
    ]


def test_a_service_does_not_select_the_pods_of_jobs() -> None:
    assert said(selectors.check, changed(JOB, "spec", "template", "metadata", "labels", "application", to="glance")) == [
        f"{IMAGES}: spec.selector: selects the Pods of {JOB} too. {OWN_LABEL}",
        f"glance/Service/glance-api: spec.selector: selects the Pods of {JOB}, which come and go. Give them other labels",
    ]


def test_a_pod_has_one_budget() -> None:
    assert said(selectors.check, [*cloud(), copied(BUDGET, "again")]) == [
        (
            f"keystone/PodDisruptionBudget/again: spec.selector: selects the Pods of {API}, as {BUDGET} does. "
            "A Pod with two budgets cannot be evicted: its node cannot be drained"
        )
    ]


def test_a_policy_may_select_all_pods() -> None:
    assert said(selectors.check, changed(POLICY, "spec", "podSelector", to={})) == []


def test_pods_of_another_namespace_are_not_selected() -> None:
    (message,) = said(selectors.check, changed(SERVICE, "metadata", "namespace", to="elsewhere"))
    assert message == f"{SERVICE}: spec.selector: selects no Pod. No Pod has all of its labels"


def test_a_label_that_is_set_at_run_time_may_be_selected() -> None:
    output = changed("glance/Service/glance-api", "spec", "selector", "role", to="primary")
    assert "No Pod has a label 'role'" in said(selectors.check, output)[0]
    annotations = {"stackloom.io/runtime-labels": "ready, role"}
    assert (
        said(selectors.check, changed(IMAGES, "spec", "template", "metadata", "annotations", to=annotations, output=output)) == []
    )


def test_a_service_may_select_one_pod_of_a_stateful_set() -> None:
    for name, found in (("glance-api-0", True), ("glance-api-1", False), ("glance-0", False)):
        output = changed("glance/Service/glance-api", "spec", "selector", to={"statefulset.kubernetes.io/pod-name": name})
        assert (said(selectors.check, output) == []) is found


@pytest.mark.parametrize(
    ("operator", "values", "found"),
    [
        ("In", ["api", "x"], True),
        ("In", ["x"], False),
        ("NotIn", ["x"], True),
        ("NotIn", ["api"], False),
        ("Exists", None, True),
        ("DoesNotExist", None, False),
    ],
)
def test_expressions_of_a_selector_are_followed(operator: str, values: list[str] | None, found: Any) -> None:
    expression = {"key": "component", "operator": operator, **({"values": values} if values else {})}
    selector = {
        "matchLabels": {"application": "keystone"},
        "matchExpressions": [{"key": "component", "operator": "NotIn", "values": ["db-sync"]}, expression],
    }
    assert (said(selectors.check, changed(BUDGET, "spec", "selector", to=selector)) == []) is found


@pytest.mark.parametrize(("kind", "endpoints"), [("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")])
def test_a_monitor_selects_what_there_is(kind: str, endpoints: str) -> None:
    labels = {"application": "keystone", "component": "api"}
    monitor = body(kind, "x", spec={"selector": {"matchLabels": labels}, endpoints: [{"port": "api"}]})
    assert said(selectors.check, cloud(monitor)) == []


def test_the_target_port_is_the_port_where_none_is_named() -> None:
    output = changed("glance/Service/glance-api", "spec", "ports", 0, "port", to=80)
    assert said(selectors.check, output) == [
        f"glance/Service/glance-api: spec.ports[0].targetPort: the Pods of {IMAGES} have no port 80"
    ]


def test_ports_of_init_containers_are_not_reached() -> None:
    output = changed(IMAGES, *POD, "initContainers", 0, "ports", to=[{"containerPort": 9292}])
    assert said(selectors.check, changed(IMAGES, *FIRST, "ports", to=[], output=output)) != []
