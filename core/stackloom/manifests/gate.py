"""Gates: what a Pod waits for before its containers start.

A gate makes any order of applying converge without crash loops. It asks the Kubernetes API, with a token that no other
container of the Pod sees, and reads nothing but EndpointSlices, Jobs and Pods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackloom.manifests.files import ConfigFile

_TOKEN_VOLUME = "kubernetes-api"
TOKEN_MOUNT = {"name": _TOKEN_VOLUME, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """What is waited for.

    Services with a ready endpoint; Jobs, by the value of their label ``stackloom.io/job``, that have succeeded for this release,
    or ``lasting_jobs`` for any; Pods that are ready on the same node (``application=openvswitch,component=vswitchd``); the end of
    the last Pod of another release, of the applications that are ``replaced``.
    """

    services: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    lasting_jobs: tuple[str, ...] = ()
    node_pods: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    release: str = ""
    image: str = ""
    files: Sequence[ConfigFile] = ()

    def __bool__(self) -> bool:
        return bool(self.services or self.jobs or self.lasting_jobs or self.node_pods or self.replaced)


def gate_container(gate: Gate, mounts: list[dict[str, Any]], security: dict[str, Any]) -> dict[str, Any]:
    """The init container that waits."""
    env: list[dict[str, Any]] = []
    if gate.services:
        env.append({"name": "GATE_SERVICES", "value": ",".join(gate.services)})
    if gate.jobs:
        env.append({"name": "GATE_JOBS", "value": ",".join(gate.jobs)})
    if gate.replaced:
        env.append({"name": "GATE_REPLACED", "value": ",".join(gate.replaced)})
    if gate.jobs or gate.replaced:
        env.append({"name": "GATE_RELEASE", "value": gate.release})
    if gate.lasting_jobs:
        env.append({"name": "GATE_LASTING_JOBS", "value": ",".join(gate.lasting_jobs)})
    if gate.node_pods:
        env += [
            {"name": "GATE_NODE_PODS", "value": ";".join(gate.node_pods)},
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ]
    return {
        "name": "gate",
        "image": gate.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "/opt/stackloom/programs/gate.py"],
        "env": env,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": security,
        "volumeMounts": [*mounts, dict(TOKEN_MOUNT)],
    }


def reaches_api(pod: Mapping[str, Any]) -> bool:
    """Whether any container of a Pod has a token for the Kubernetes API."""
    return pod.get("automountServiceAccountToken", True) or any(v["name"] == _TOKEN_VOLUME for v in pod.get("volumes", ()))


def token_volume() -> dict[str, Any]:
    """A token of the Pod's own account, and the API server's certificate: what a container needs to ask the API."""
    return {
        "name": _TOKEN_VOLUME,
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
            ],
        },
    }
