from __future__ import annotations

import datetime
import json
import lzma
from typing import Any

import pytest

from scripts import kubernetes_schemas
from stackloom.checks import External, schemas
from stackloom.checks.context import CheckContext
from stackloom.model.output import Output
from tests.core.checks.cloud import API, FIRST, Mistake, body, changed, mistakes, said

FIELD = f"{API}: spec.template.spec.containers[0]"


def test_the_data_are_those_of_the_installed_kubernetes_validate() -> None:
    assert lzma.decompress(kubernetes_schemas.DATA.read_bytes()).decode() == kubernetes_schemas.text(), (
        "run scripts/kubernetes_schemas.py"
    )


def test_objects_must_be_valid_for_the_oldest_version_and_for_the_newest() -> None:
    assert schemas.versions() == (kubernetes_schemas.OLDEST, kubernetes_schemas.newest())


def test_the_data_hold_no_prose_and_no_null() -> None:
    text = kubernetes_schemas.text()
    assert '"null"' not in text
    container = json.loads(text)["1.27"]["$defs"]["io.k8s.api.core.v1.Container"]
    assert container["properties"]["image"] == {"type": "string"}


def test_every_kind_of_both_versions_has_a_schema_of_its_own() -> None:
    for version, data in json.loads(kubernetes_schemas.text()).items():
        for known in data["kinds"]:
            api_version, kind = known.split(" ")
            wrong = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "no-such-field": {}}
            (message,) = [m for m in said(schemas.check, [Output("a", wrong)]) if "no-such-field" in m]
            assert message.startswith(f"a/{kind}/x: no-such-field: there is no such field"), (version, known)


@pytest.mark.parametrize("mistake", mistakes("schemas"))
def test_what_kubernetes_would_refuse_is_named_with_what_is_wrong(mistake: Mistake) -> None:
    assert said(schemas.check, mistake.output) == [mistake.says]


@pytest.mark.parametrize("value", [{1}, datetime.date(2025, 1, 1), b"x", object()])
def test_a_value_that_yaml_does_not_have_is_refused(value: Any) -> None:
    assert said(schemas.check, changed(API, *FIRST, "stdin", to=value)) == [
        (
            f"{API}: cannot be written as YAML: Unsupported type: '{type(value).__name__}'. "
            "Use mappings, lists, text, numbers and truth values only"
        ),
    ]


def test_a_missing_field_is_named() -> None:
    output = changed(API, *FIRST, "ports", to=[{"name": "api"}])
    assert said(schemas.check, output) == [f"{FIELD}.ports[0].containerPort: is missing"]


@pytest.mark.parametrize("amount", ["100m", "0.5", "2Gi", "1.5G", "1e3", 2, 0.5, "+1", "12k"])
def test_quantities_that_kubernetes_reads_are_accepted(amount: str | float) -> None:
    assert said(schemas.check, changed(API, *FIRST, "resources", "requests", "cpu", to=amount)) == []


@pytest.mark.parametrize("amount", ["100 m", "2gi", "", "1,5", "Gi", "1.2.3", "12K"])
def test_quantities_that_kubernetes_cannot_read_are_not(amount: str | float) -> None:
    (message,) = said(schemas.check, changed(API, *FIRST, "resources", "requests", "cpu", to=amount))
    assert (
        message == f"{FIELD}.resources.requests.cpu: {json.dumps(amount)} is not a quantity. Write it like 100m, 0.5, 2Gi or 1.5G"
    )


def test_a_kind_of_one_version_alone_is_refused_with_that_version() -> None:
    policy = {**body("ValidatingAdmissionPolicy", "x", "admissionregistration.k8s.io/v1"), "spec": {}}
    (message,) = said(schemas.check, [Output("extra", policy)])
    assert "there is no ValidatingAdmissionPolicy in admissionregistration.k8s.io/v1 in Kubernetes 1.27" in message


def test_custom_resources_of_known_operators_are_accepted_with_their_metadata_checked() -> None:
    assert said(schemas.check, [Output("a", body("Certificate", "x", "cert-manager.io/v1", spec={"any": "thing"}))]) == []
    wrong = body("Certificate", "x", "cert-manager.io/v1")
    wrong["metadata"]["label"] = {}
    assert said(schemas.check, [Output("a", wrong)]) == [
        "a/Certificate/x: metadata.label: there is no such field. Did you mean 'labels'?"
    ]


def test_a_custom_resource_is_accepted_where_its_definition_is_written_or_declared() -> None:
    thing = Output("a", body("Thing", "x", "things.example.org/v1"))
    definition = Output(
        "a", body("CustomResourceDefinition", "y", "apiextensions.k8s.io/v1", spec={"group": "things.example.org"})
    )
    assert not [m for m in said(schemas.check, [thing, definition]) if "Thing" in m]
    declared = External.of({"CustomResourceDefinition": ["things.things.example.org"]})
    assert said(schemas.check, [thing], CheckContext(namespace="openstack", externals=declared)) == []


@pytest.mark.parametrize("key", ["apiVersion", "kind", "metadata"])
def test_what_is_no_object_at_all_is_said_to_be_none(key: str) -> None:
    broken = {k: v for k, v in body("ConfigMap", "x").items() if k != key}
    assert [m.partition(": ")[2] for m in said(schemas.check, [Output("a", broken)])] == [
        "is no object: it needs apiVersion, kind and metadata"
    ]
