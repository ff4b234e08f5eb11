from __future__ import annotations

from stackloom.checks import identity
from stackloom.model.output import Output
from tests.core.checks.cloud import body, cloud, said

HINT = "Give one of them another name"
PLUGIN = "extra (stackloom-extra 1.0): extra"


def test_an_object_may_exist_only_once_whatever_the_component() -> None:
    assert said(identity.check, cloud(body("Service", "keystone-api"))) == [
        (
            f"{PLUGIN}/Service/keystone-api: metadata.name: the component 'keystone' has a Service of this name too. "
            "Give one of them another name"
        )
    ]


def test_the_other_component_is_named_with_its_plugin() -> None:
    again = Output("other", body("ConfigMap", "x"), "other 2.0")
    assert said(identity.check, [*cloud(body("ConfigMap", "x")), again]) == [
        (
            "other 2.0: other/ConfigMap/x: metadata.name: the component 'extra' (extra (stackloom-extra 1.0)) has a "
            "ConfigMap of this name too. Give one of them another name"
        )
    ]


def test_objects_of_other_kinds_and_namespaces_may_share_a_name() -> None:
    elsewhere = body("Service", "keystone-api")
    elsewhere["metadata"]["namespace"] = "elsewhere"
    assert said(identity.check, cloud(elsewhere, body("ConfigMap", "keystone-api"))) == []


def test_files_of_a_component_may_not_differ_in_case_alone() -> None:
    assert said(identity.check, cloud(body("Role", "reader"), body("Role", "Reader"))) == [
        f"{PLUGIN}/Role/Reader: metadata.name: its file Role.Reader.yaml is that of the Role 'reader' too. {HINT}"
    ]


def test_objects_of_one_component_in_two_namespaces_would_share_a_file() -> None:
    elsewhere = body("Role", "reader")
    elsewhere["metadata"]["namespace"] = "elsewhere"
    assert said(identity.check, cloud(body("Role", "reader"), elsewhere)) == [
        (
            f"{PLUGIN}/Role/reader: metadata.name: its file Role.reader.yaml is that of the Role 'reader' in the "
            f"namespace 'openstack' too. {HINT}"
        )
    ]
