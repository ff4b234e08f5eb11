from __future__ import annotations

import pytest

from stackloom.checks import External, names_legal
from stackloom.checks.context import CheckContext
from tests.core.checks.cloud import ABSENT, API, CONTEXT, FIRST, Mistake, body, changed, cloud, mistakes, said

LABEL = "Use at most 63 lower-case letters, digits and dashes, with a letter or digit at both ends"
SUBDOMAIN = "Use at most 253 lower-case letters, digits, dashes and dots, with a letter or digit at both ends"
KEY = "Use at most 63 letters, digits, dashes, dots and underscores, after an optional domain and a slash"
VALUE = "Use at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends"


def only(*messages: str) -> list[str]:
    return [f"extra (stackloom-extra 1.0): extra/{message}" for message in messages]


@pytest.mark.parametrize("mistake", mistakes("names_legal"))
def test_a_name_that_is_not_legal_where_it_stands_is_refused(mistake: Mistake) -> None:
    assert said(names_legal.check, mistake.output) == [mistake.says]


@pytest.mark.parametrize(("kind", "longest"), [("StatefulSet", 52), ("CronJob", 52), ("Job", 63)])
def test_a_name_leaves_room_for_what_is_made_of_it(kind: str, longest: int) -> None:
    assert said(names_legal.check, cloud(body(kind, "x" * longest))) == []
    name = "x" * (longest + 1)
    assert said(names_legal.check, cloud(body(kind, name))) == only(
        f"{kind}/{name}: metadata.name: {name!r} has {longest + 1} characters, a {kind} may have {longest}. Shorten it"
    )


@pytest.mark.parametrize(
    ("kind", "name"), [("Role", "system:keystone"), ("ConfigMap", "1.a-b"), ("Job", "j" * 63), ("StatefulSet", "s" * 52)]
)
def test_names_that_are_legal_for_the_kind_are_accepted(kind: str, name: str) -> None:
    assert said(names_legal.check, cloud(body(kind, name))) == []


def test_a_generated_name_is_refused() -> None:
    nameless = body("ConfigMap", "x")
    nameless["metadata"] = {"generateName": "x-", "namespace": "openstack"}
    assert said(names_legal.check, cloud(nameless)) == only(
        "ConfigMap/: metadata.name: is missing. Name the object: a generated name would be another one on each run"
    )


def test_objects_stand_in_the_namespace_of_the_deployment() -> None:
    assert said(names_legal.check, changed(API, "metadata", "namespace", to=ABSENT)) == [
        f"{API}: metadata.namespace: is missing. Set it to 'openstack'"
    ]
    assert said(names_legal.check, changed(API, "metadata", "namespace", to="default")) == [
        (
            f"{API}: metadata.namespace: 'default' is not the deployment's namespace. "
            "Set it to 'openstack', or declare the namespace as an external"
        )
    ]


def test_objects_may_stand_in_a_declared_namespace() -> None:
    context = CheckContext(namespace="openstack", externals=External.of({"Namespace": ["argocd"]}))
    assert said(names_legal.check, changed(API, "metadata", "namespace", to="argocd"), context) == []


def test_objects_of_the_whole_cluster_have_no_namespace() -> None:
    assert said(names_legal.check, cloud(body("ClusterRole", "x"))) == only(
        "ClusterRole/x: metadata.namespace: a ClusterRole has no namespace. Leave it out"
    )


@pytest.mark.parametrize("name", ["Api", "a--b", "-a", "8080", "abcdefghijklmnop"])
def test_a_port_of_a_container_has_a_short_name(name: str) -> None:
    assert said(names_legal.check, changed(API, *FIRST, "ports", 0, "name", to=name)) == [
        (
            f"{API}: spec.template.spec.containers[0].ports[0].name: {name!r} is no name for a port. "
            "Use at most 15 lower-case letters, digits and single dashes between them, with a letter among them"
        )
    ]


def test_several_ports_of_a_service_have_names_of_their_own() -> None:
    ports = [{"name": "a", "port": 1}, {"name": "a", "port": 2}, {"port": 2}, {"name": "B", "port": 3}]
    assert said(names_legal.check, cloud(body("Service", "x", spec={"ports": ports})), CONTEXT) == only(
        "Service/x: spec.ports[2].name: is missing. Name each of several ports",
        f"Service/x: spec.ports[3].name: 'B' is no name for a port of a Service. {LABEL}",
        "Service/x: spec.ports: 'a' stands there 2 times. Keep one of them, or rename the others",
        "Service/x: spec.ports: '2/TCP' stands there 2 times. Keep one of them, or rename the others",
    )


@pytest.mark.parametrize("key", ["a/b", "..", "a b", ""])
def test_a_key_of_a_configmap_is_the_name_of_a_file(key: str) -> None:
    assert said(names_legal.check, cloud(body("ConfigMap", "x", data={key: ""}))) == only(
        f"ConfigMap/x: data: {key!r} is no key for a ConfigMap. Use at most 253 letters, digits, dashes, dots and underscores"
    )


def test_a_namespace_is_called_by_a_dns_label() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "open.stack"}}
    assert said(names_legal.check, cloud(namespace)) == only(
        f"Namespace/open.stack: metadata.name: 'open.stack' is no name for a Namespace. {LABEL}"
    )
