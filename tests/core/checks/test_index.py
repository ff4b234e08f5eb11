from __future__ import annotations

from typing import Any

import pytest

from stackloom.checks.index import Index, at, each, text
from tests.core.checks.cloud import API, IMAGES, body, changed, cloud


def test_values_are_read_whatever_their_shape() -> None:
    value = {"a": {"b": {"c": 1}}, "list": [{"x": 1}, "y", {"z": 2}], "text": "t", "number": 1}
    assert at(value, "a", "b") == {"c": 1}
    assert at(value, "a", "b", "c") == at(value, "text") == at(None, "a") == at(value, "x", "y") == {}
    assert list(each(value, "list")) == [(0, {"x": 1}), (2, {"z": 2})]
    assert list(each(value, "text")) == list(each("a", "b")) == []
    assert (text(value, "text"), text(value, "number"), text([], "x")) == ("t", "", "")


def test_an_index_is_made_once_and_is_the_output_itself() -> None:
    output = cloud()
    index = Index.of(output)
    assert Index.of(index) is index
    assert list(index) == output
    assert len(index) == len(output)
    assert index[1:3] == output[1:3]


def test_objects_are_found_by_kind_and_identity() -> None:
    index = Index.of(cloud())
    assert [o.name for o in index.of_kind("Service")] == ["keystone-api", "glance-api"]
    assert index.find("Service", "openstack", "keystone-api") is index.of_kind("Service")[0]
    assert index.find("Service", "elsewhere", "keystone-api") is None
    assert list(index.of_kind("Pod")) == []


def test_every_kind_that_makes_pods_is_a_workload() -> None:
    pod = {**body("Pod", "p"), "spec": {"containers": [{"name": "c"}]}}
    workloads = {w.output.kind: w for w in Index.of(cloud(pod)).workloads}
    assert sorted(workloads) == ["CronJob", "Deployment", "Job", "Pod", "StatefulSet"]
    assert [c.field for c in workloads["CronJob"].containers] == ["spec.jobTemplate.spec.template.spec.containers[0]"]
    assert [c.field for c in workloads["Deployment"].containers] == [
        "spec.template.spec.initContainers[0]",
        "spec.template.spec.containers[0]",
    ]
    assert [c.field for c in workloads["Pod"].containers] == ["spec.containers[0]"]


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({"application": "keystone", "component": "api"}, [API]),
        ({"component": "api"}, [API, IMAGES]),
        ({"application": "nova"}, []),
        ({"component": "api", "application": "nova"}, []),
    ],
)
def test_workloads_are_found_by_the_labels_of_their_pods(labels: dict[str, str], found: Any) -> None:
    index = Index.of(cloud())
    for _ in range(2):
        assert [w.output.path for w in index.selected("openstack", {"matchLabels": labels})] == found
    assert index.selected("elsewhere", {"matchLabels": labels}) == []


def test_an_empty_selector_selects_all_pods_of_the_namespace() -> None:
    index = Index.of(cloud())
    assert index.selected("openstack", {}) == index.workloads


def test_replicas_are_one_unless_said_and_at_least_those_of_the_autoscaler() -> None:
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "keystone-api"}, "minReplicas": 5}
    for output, expected in (
        (cloud(), [3, 1]),
        (cloud(body("HorizontalPodAutoscaler", "x", spec=target)), [5, 1]),
        (changed(API, "spec", "replicas", to="x"), [1, 1]),
    ):
        index = Index.of(output)
        assert [index.replicas(w) for w in index.workloads if w.output.path in (API, IMAGES)] == expected
