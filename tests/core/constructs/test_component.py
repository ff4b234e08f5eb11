from __future__ import annotations

from pathlib import Path
from typing import Any

import cdk8s_plus_27 as plus
import jsii
import pytest
import yaml
from cdk8s import ApiObject, App, Chart, JsonPatch
from constructs import Construct, IValidation

from stackloom import StackloomError
from stackloom.constructs.component import Component, manifest_text, new_app, validate


def body(name: str = "settings", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "openstack"},
        "data": {"b": "2", "a": "first\nsecond\n"},
        **more,
    }


@pytest.fixture
def app(tmp_path: Path) -> App:
    return new_app(tmp_path / "dist")


@pytest.fixture
def component(app: App) -> Component:
    return Component(app, "glance", namespace="openstack", level=3)


def test_an_object_is_an_api_object_of_the_tree(component: Component):
    manifest = component.add(body())
    assert isinstance(manifest, ApiObject)
    assert (manifest.kind, manifest.api_version, manifest.name) == ("ConfigMap", "v1", "settings")
    assert component.node.find_child("ConfigMap.settings") is manifest


def test_cdk8s_synthesises_the_body_as_it_stands(component: Component):
    component.add(body())
    assert component.to_json() == [body()]


def test_a_body_may_be_changed_in_place_until_it_is_written(component: Component):
    manifest = component.add(body())
    manifest.body["data"]["c"] = "3"
    assert [b["data"]["c"] for b in component.bodies()] == ["3"]
    assert component.to_json()[0]["data"]["c"] == "3"


def test_a_json_patch_changes_the_body(component: Component):
    component.add(body()).add_json_patch(JsonPatch.replace("/data/b", "two"), JsonPatch.add("/immutable", True))
    (found,) = component.bodies()
    assert (found["data"]["b"], found["immutable"]) == ("two", True)


def test_the_files_of_cdk8s_are_the_same_as_ours(app: App, component: Component, tmp_path: Path):
    component.add(body())
    component.add(body("odd", data={"a": "\ttab", "b": "yes", "c": " x\ny"}))
    app.synth()
    written = {p.name: p.read_text() for p in (tmp_path / "dist" / "glance").iterdir()}
    assert written == {f"ConfigMap.{b['metadata']['name']}.yaml": manifest_text(b) for b in component.bodies()}


def test_the_text_keeps_the_order_of_keys_and_shows_files_line_by_line():
    text = manifest_text(body())
    assert text.endswith('data:\n  b: "2"\n  a: |\n    first\n    second\n')
    assert yaml.safe_load(text) == body()


def test_two_objects_of_one_kind_and_name_are_refused_at_once(component: Component):
    component.add(body())
    with pytest.raises(RuntimeError, match="already a Construct with name 'ConfigMap.settings'"):
        component.add(body())


def test_any_construct_of_cdk8s_may_stand_beside_ours(component: Component):
    component.add(body())
    ApiObject(component, "plain", api_version="v1", kind="Namespace")
    plus.ConfigMap(component, "l2", metadata={"name": "theirs"}, data={"a": "1"})
    kinds = [(b["kind"], b["metadata"]["name"]) for b in component.bodies()]
    assert kinds == [("ConfigMap", "settings"), ("Namespace", "glance-plain"), ("ConfigMap", "theirs")]


def test_an_object_may_stand_under_a_construct_of_the_plugins_own(component: Component):
    group = Construct(component, "group")
    component.add(body(), scope=group)
    assert [b["metadata"]["name"] for b in component.bodies()] == ["settings"]


def test_an_object_that_was_taken_out_of_the_tree_is_gone(component: Component):
    component.add(body())
    component.node.try_remove_child("ConfigMap.settings")
    assert list(component.bodies()) == []


def test_the_objects_of_a_chart_inside_are_that_charts(component: Component):
    component.add(body())
    ApiObject(Chart(component, "inner"), "plain", api_version="v1", kind="Namespace")
    assert [b["kind"] for b in component.bodies()] == ["ConfigMap"]


def test_a_component_knows_the_pods_that_it_runs(component: Component):
    component.add(body())
    assert component.pods() == []
    pod = {"containers": []}
    component.add(body("api", kind="Deployment", apiVersion="apps/v1", spec={"template": {"spec": pod}}))
    component.add(
        body("clock", kind="CronJob", apiVersion="batch/v1", spec={"jobTemplate": {"spec": {"template": {"spec": pod}}}})
    )
    assert component.pods() == [pod, pod]


@jsii.implements(IValidation)
class Never:
    """A validation that finds something."""

    def validate(self) -> list[str]:
        return ["it is Friday", "it is late"]


def test_what_validations_of_constructs_find_is_a_problem_each(app: App, component: Component):
    component.add(body()).node.add_validation(Never())
    with pytest.raises(StackloomError) as caught:
        validate(app)
    assert [p.what for p in caught.value.problems] == [
        "[glance/ConfigMap.settings] it is Friday",
        "[glance/ConfigMap.settings] it is late",
    ]


def test_validating_leaves_no_trace_in_the_tree(app: App, component: Component):
    validate(app)
    assert [c.node.id for c in app.charts] == ["glance"]
