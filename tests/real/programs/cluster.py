"""What a program finds in a cluster: an account with a Role, and objects in the states that controllers would bring about."""

from __future__ import annotations

import base64
from typing import Any

from tests.real.cluster import Cluster, Object

RBAC = "rbac.authorization.k8s.io"
NOW = "2026-01-01T00:00:00Z"


def account(namespace: str, name: str, rules: list[Object]) -> list[Object]:
    """A service account, and a Role of the same name with these rules."""
    meta = {"name": name, "namespace": namespace}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    ]


def rule(resource: str, *verbs: str, group: str = "", names: tuple[str, ...] = ()) -> Object:
    """One rule of a Role."""
    return {
        "apiGroups": [group],
        "resources": [resource],
        "verbs": list(verbs),
        **({"resourceNames": list(names)} if names else {}),
    }


def endpoint_slice(namespace: str, service: str, *, ready: bool) -> Object:
    """What the endpoint controller writes for a Service of one Pod."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-1", "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"port": 3306}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
    }


def job(namespace: str, name: str, labels: dict[str, str]) -> Object:
    """A Job."""
    container = {"name": "main", "image": "image:1"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }


def pod(namespace: str, name: str, labels: dict[str, str], node: str) -> Object:
    """A Pod on a node."""
    meta = {"name": name, "namespace": namespace, "labels": labels}
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "image:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def succeed(kubernetes: Cluster, which: Object) -> None:
    """Say that a Job has succeeded, as its controller would."""
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": NOW} for kind in ("SuccessCriteriaMet", "Complete")]
    status: Object = {"startTime": NOW, "completionTime": NOW, "succeeded": 1, "conditions": conditions}
    _set_status(kubernetes, which, status | {"uncountedTerminatedPods": {}})


def become_ready(kubernetes: Cluster, which: Object) -> None:
    """Say that a Pod is ready, as its kubelet would."""
    _set_status(kubernetes, which, {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": NOW}]})


def _set_status(kubernetes: Cluster, which: Object, status: Object) -> None:
    path = f"{kubernetes.path(which)}/status"
    answer = kubernetes.request("PATCH", path, {"status": status}, content_type="application/merge-patch+json")
    assert answer.status == 200, answer.object


def secret(kubernetes: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """A Secret: its metadata and type as they are, its data decoded."""
    answer = kubernetes.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
    assert answer.status == 200, answer.object
    data = {key: base64.b64decode(value) for key, value in (answer.object.get("data") or {}).items()}
    return {**answer.object, "data": data}


def secret_of(namespace: str, name: str, data: dict[str, bytes], **more: Any) -> Object:
    """A Secret to apply."""
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": encoded, **more}
