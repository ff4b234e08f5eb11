from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackloom.checks import CheckContext, External, run_all
from stackloom.model.output import Output
from tests.core.checks.cloud import API, CONTEXT, FIRST, body, changed, cloud


def test_a_good_cloud_has_no_problem() -> None:
    assert run_all(cloud(), CONTEXT) == []


def test_nothing_to_write_is_no_problem() -> None:
    assert run_all([], CheckContext(namespace="openstack")) == []


def test_problems_of_all_checks_are_found_together_in_the_order_of_the_checks() -> None:
    output = changed(API, *FIRST, "image", to="keystone")
    output = changed(API, "spec", "replica", to=3, output=output)
    output = changed(API, *FIRST, "ports", 0, "name", to="API", output=output)
    assert [(p.path.partition(": ")[2], p.what) for p in run_all(output, CONTEXT)] == [
        ("spec.replica", "there is no such field"),
        ("spec.template.spec.containers[0].ports[0].name", "'API' is no name for a port"),
        ("spec.template.spec.containers[0].readinessProbe.httpGet.port", "the container has no port 'api'"),
        ("spec.template.spec.containers[0].livenessProbe.httpGet.port", "the container has no port 'api'"),
        ("spec.ports[0].targetPort", "the Pods of keystone/Deployment/keystone-api have no port 'api'"),
        ("spec.template.spec.containers[0].image", "the image 'keystone' has no tag"),
    ]


def test_a_problem_names_the_plugin_that_made_the_object() -> None:
    (problem,) = run_all(cloud(body("Secret", "x", data={"password": "aHVudGVyMg=="})), CONTEXT)
    assert problem.source == "extra (stackloom-extra 1.0)"
    assert problem.path == "extra/Secret/x: data"


def test_what_every_cluster_has_is_external_to_every_output() -> None:
    assert "kube-root-ca.crt" in External().of_kind("ConfigMap")
    assert External.of({"ConfigMap": ["mine"]}).of_kind("ConfigMap") == {"mine", "kube-root-ca.crt"}
    assert External().of_kind("Service") == frozenset()


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        found += [p for key, item in value.items() for p in places(item, (*path, key))]
    if isinstance(value, list):
        found += [p for i, item in enumerate(value) for p in places(item, (*path, i))]
    return found


MORE = [
    body("Gateway", "x", spec={"gatewayClassName": "x", "listeners": [{"tls": {"certificateRefs": [{"name": "x"}]}}]}),
    body(
        "HTTPRoute",
        "x",
        spec={"parentRefs": [{"name": "x"}], "rules": [{"backendRefs": [{"name": "keystone-api", "port": 5000}]}]},
    ),
    body(
        "HorizontalPodAutoscaler", "x", spec={"scaleTargetRef": {"kind": "Deployment", "name": "keystone-api"}, "minReplicas": 2}
    ),
    body("Certificate", "x", spec={"secretName": "x", "issuerRef": {"name": "x"}}),
    body("ExternalSecret", "x", spec={"target": {"name": "y"}, "data": [{"secretKey": "x"}], "secretStoreRef": {"name": "x"}}),
    body("ServiceMonitor", "x", spec={"selector": {"matchLabels": {"component": "api"}}, "endpoints": [{"port": "x"}]}),
    body("PodMonitor", "x", spec={"selector": {"matchLabels": {"component": "api"}}, "podMetricsEndpoints": [{"port": "x"}]}),
    body("ValidatingWebhookConfiguration", "x", webhooks=[{"clientConfig": {"service": {"name": "x", "namespace": "x"}}}]),
    body("CustomResourceDefinition", "x", spec={"group": "x.org"}),
    body("Application", "x", spec={"syncPolicy": {"syncOptions": ["Replace=true"]}}),
]
WRONG: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, -1, 1.5, True, "", "x", "a: b", [], [None], ["x"], {}, {"x": 1}, {"name": []}, [{"name": {}}], [[]]]
)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_an_object_of_any_shape_is_reported_and_never_makes_a_check_fall_over(data: st.DataObject) -> None:
    output = cloud(*copy.deepcopy(MORE))
    mutant: Any = data.draw(st.sampled_from(output)).body
    *steps, last = data.draw(st.sampled_from(places(mutant)))
    value = mutant
    for step in steps:
        value = value[step]
    if isinstance(value, dict) and data.draw(st.booleans()):
        del value[last]
    else:
        value[last] = data.draw(WRONG)
    for problem in run_all(output, CONTEXT):
        assert str(problem)


@pytest.mark.parametrize("wrong", [None, "x", [], 1])
def test_an_object_without_metadata_is_reported_and_left_out_of_the_other_checks(wrong: Any) -> None:
    problems = run_all([*cloud(), Output("extra", {"apiVersion": "v1", "kind": "Service", "metadata": wrong})], CONTEXT)
    assert [str(p) for p in problems] == ["extra/Service/: is no object: it needs apiVersion, kind and metadata"]
