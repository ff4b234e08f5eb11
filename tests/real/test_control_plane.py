from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.real.cluster import ApplyError, Cluster
from tests.real.control_plane import ControlPlane

pytestmark = pytest.mark.real

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]


def config_map(namespace: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": namespace}, "data": data}


def deployment(namespace: str, name: str = "api", **container: Any) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "api:1", **container}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def may_read_pods(namespace: str) -> list[Object]:
    rbac, meta = "rbac.authorization.k8s.io", {"name": "reader", "namespace": namespace}
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta}
    binding = {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": meta}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        role | {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]},
        binding
        | {"roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"}}
        | {"subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}]},
    ]


def test_a_write_over_a_newer_version_is_a_conflict(kubernetes: Cluster, namespace: str) -> None:
    (first,) = kubernetes.apply([config_map(namespace, color="red")]).objects
    kubernetes.apply([config_map(namespace, color="blue")])
    answer = kubernetes.request("PUT", kubernetes.path(first), first | {"data": {"color": "green"}})
    assert (answer.status, answer.object["reason"]) == (409, "Conflict")
    assert kubernetes.request("GET", kubernetes.path(first)).object["data"] == {"color": "blue"}


def test_a_deletion_of_a_predecessor_by_uid_is_a_conflict(kubernetes: Cluster, namespace: str) -> None:
    (first,) = kubernetes.apply([config_map(namespace)]).objects
    assert kubernetes.request("DELETE", kubernetes.path(first)).status == 200
    kubernetes.apply([config_map(namespace)])
    answer = kubernetes.request("DELETE", kubernetes.path(first), {"preconditions": {"uid": first["metadata"]["uid"]}})
    assert (answer.status, answer.object["reason"]) == (409, "Conflict")


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(kubernetes: Cluster, namespace: str) -> None:
    kubernetes.apply(may_read_pods(namespace))
    nobody, reader = (client.CoreV1Api(kubernetes.client_of(namespace, account)) for account in ("default", "reader"))
    with pytest.raises(ApiException, match="pods is forbidden") as refused:
        nobody.list_namespaced_pod(namespace)
    assert refused.value.status == 403
    assert reader.list_namespaced_pod(namespace).items == []
    with pytest.raises(ApiException, match="secrets is forbidden"):
        reader.list_namespaced_secret(namespace)


def test_what_is_mounted_for_a_pod_lets_its_program_in_as_its_service_account(
    kubernetes: Cluster, namespace: str, tmp_path: Path
) -> None:
    environment = kubernetes.mount(namespace, "default", tmp_path)
    url = "https://{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}".format(**environment)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    with urllib3.PoolManager(ca_certs=str(tmp_path / "ca.crt")) as pool:
        headers = {"Authorization": f"Bearer {(tmp_path / 'token').read_text()}"}
        answer = pool.request("POST", f"{url}/apis/authentication.k8s.io/v1/selfsubjectreviews", json=review, headers=headers)
    assert answer.json()["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:default"


def test_an_unknown_field_is_refused_wherever_it_stands(kubernetes: Cluster, namespace: str) -> None:
    misspelt = deployment(namespace, imagePulPolicy="Always")
    with pytest.raises(ApplyError) as refused:
        kubernetes.apply([misspelt, config_map(namespace) | {"dat": {}}, deployment(namespace, "good")])
    assert [r.object for r in refused.value.refusals] == [f"Deployment {namespace}/api", f"ConfigMap {namespace}/settings"]
    assert "imagePulPolicy: field not declared in schema" in str(refused.value)
    all_deployments, _, _ = kubernetes.path(misspelt).rpartition("/")
    created = kubernetes.request("POST", all_deployments, misspelt, query={"fieldValidation": "Strict"})
    assert (created.status, created.object["reason"]) == (400, "BadRequest")
    assert 'unknown field "spec.template.spec.containers[0].imagePulPolicy"' in created.object["message"]


def test_an_invalid_value_and_an_unknown_kind_are_refused_together(kubernetes: Cluster, namespace: str) -> None:
    wrong = [deployment(namespace, imagePullPolicy="Sometimes"), {**config_map(namespace), "kind": "ConfigMop"}]
    with pytest.raises(ApplyError) as refused:
        kubernetes.dry_run(wrong)
    assert [(r.status, r.reason) for r in refused.value.refusals] == [(422, "Invalid"), (404, "NotFound")]


def test_what_is_deprecated_is_taken_with_a_warning(kubernetes: Cluster, namespace: str) -> None:
    old = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "old", "namespace": namespace}}
    (warning,) = kubernetes.apply([config_map(namespace), old]).warnings
    assert warning.startswith(f"Endpoints {namespace}/old: v1 Endpoints is deprecated")


def test_a_second_apply_changes_nothing_and_a_dry_run_stores_nothing(kubernetes: Cluster, namespace: str) -> None:
    objects = [deployment(namespace), config_map(namespace, color="red")]
    assert kubernetes.dry_run(objects).objects[0]["spec"]["replicas"] == 1
    assert kubernetes.request("GET", kubernetes.path(objects[0])).status == 404
    assert kubernetes.apply(objects).objects == kubernetes.apply(objects).objects


def test_a_field_of_another_manager_is_not_taken_without_force(kubernetes: Cluster, namespace: str) -> None:
    kubernetes.apply([config_map(namespace, color="red")], manager="somebody-else")
    with pytest.raises(ApplyError, match='conflict with "somebody-else"'):
        kubernetes.apply([config_map(namespace, color="blue")])
    (taken,) = kubernetes.apply([config_map(namespace, color="blue")], force=True).objects
    assert taken["data"] == {"color": "blue"}


def test_an_object_may_come_with_its_namespace_and_its_definition(kubernetes: Cluster, namespace: str) -> None:
    names, group = {"kind": "Widget", "plural": "widgets"}, f"{namespace}.example.org"
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"size": {"type": "integer"}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [version]}
    meta = {"name": f"widgets.{group}"}
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}
    inside = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-2"}}
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": f"{namespace}-2"}, "size": 3}
    assert kubernetes.apply([widget, inside, definition]).objects[0]["size"] == 3
    for created in (definition, inside):
        kubernetes.request("DELETE", kubernetes.path(created))


def test_a_watch_from_before_a_restart_of_the_api_has_expired(
    api_server: ControlPlane, kubernetes: Cluster, namespace: str
) -> None:
    watched = f"/api/v1/namespaces/{namespace}/configmaps"
    (first,) = kubernetes.apply([config_map(namespace, color="red")]).objects
    kubernetes.apply([config_map(namespace, color="blue")])
    since = {"watch": "1", "resourceVersion": first["metadata"]["resourceVersion"], "timeoutSeconds": "1"}
    assert kubernetes.request("GET", watched, query=since).object["type"] == "MODIFIED"
    with api_server.api_stopped(), pytest.raises(urllib3.exceptions.HTTPError):
        kubernetes.request("GET", watched)
    expired = kubernetes.request("GET", watched, query=since).object
    assert (expired["type"], expired["object"]["code"]) == ("ERROR", 410)


def test_a_silent_api_answers_nothing_until_it_speaks_again(api_server: ControlPlane, kubernetes: Cluster) -> None:
    with api_server.api_silent(), pytest.raises(urllib3.exceptions.HTTPError):
        kubernetes.request("GET", "/api/v1/namespaces/default", timeout=0.5)
    assert kubernetes.request("GET", "/api/v1/namespaces/default").object["status"] == {"phase": "Active"}


def test_the_programs_do_not_outlive_a_session_that_is_killed(api_server: ControlPlane, tmp_path: Path) -> None:
    script = (
        "import pathlib, time; from tests.real.control_plane import ControlPlane; "
        f"programs = ControlPlane(pathlib.Path({str(api_server.assets)!r}), pathlib.Path({str(tmp_path)!r})); programs.start(); "
        "print(*programs.pids(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        pids = [int(pid) for pid in session.stdout.readline().split()]
        assert [_lives(pid) for pid in pids] == [True, True]
        session.kill()
    deadline = time.monotonic() + 10
    while any(_lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    """Whether the process runs. One that ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
