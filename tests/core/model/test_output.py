from __future__ import annotations

from typing import Any

import pytest

from stackloom.model.output import Output


def output(name: str = "keystone-api", **metadata: Any) -> Output:
    return Output("keystone", {"kind": "Deployment", "metadata": {"name": name, **metadata}})


def test_an_object_has_a_path_for_people_and_a_file():
    found = output()
    assert (found.path, found.file) == ("keystone/Deployment/keystone-api", "keystone/Deployment.keystone-api.yaml")


@pytest.mark.parametrize(
    ("name", "file"), [("system:gate", "Deployment.systemgate.yaml"), ("a.b_c-d", "Deployment.a.b_c-d.yaml")]
)
def test_a_file_lacks_what_is_awkward_in_names_of_files(name: str, file: str):
    assert output(name).file == f"keystone/{file}"


def test_what_an_object_lacks_is_empty():
    found = Output("keystone", {})
    assert (found.kind, found.name, found.namespace, dict(found.labels)) == ("", "", "", {})


def test_namespace_and_labels_are_the_objects_own():
    found = output(namespace="openstack", labels={"application": "keystone"})
    assert (found.namespace, found.labels) == ("openstack", {"application": "keystone"})
