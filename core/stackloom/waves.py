"""Argo CD's sync waves, computed: from the graph between components, from the gates inside one.

A component's objects take the waves ``level x 20`` and up: accounts and policies, then configuration and Services, then Jobs and
workloads in the order in which their gates let them through, then what leads users to them. A claim comes with the first that
mounts it: Argo CD waits for its volume, which may not be made before a Pod wants it, and a Pod for its claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stackloom.constructs.component import Component, Manifest
from stackloom.names import LABEL_PREFIX

ANNOTATION = "argocd.argoproj.io/sync-wave"
_STEP = 20
_EARLY = {
    "ServiceAccount": 0,
    "Role": 0,
    "RoleBinding": 0,
    "ClusterRole": 0,
    "ClusterRoleBinding": 0,
    "StorageClass": 0,
    "NetworkPolicy": 0,
    "PodDisruptionBudget": 0,
    "ConfigMap": 1,
    "Service": 1,
}
_FIRST_WORKLOAD, _LATE = 2, _STEP - 1
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def _offers(manifest: Manifest) -> Iterable[str]:
    """What others' gates may name of it: the Job label, or the name of the Service in front of it."""
    labels = manifest.body["metadata"].get("labels", {})
    return (
        [f"job {labels[f'{LABEL_PREFIX}/job']}"]
        if f"{LABEL_PREFIX}/job" in labels
        else [f"service {manifest.body['metadata']['name']}"]
    )


def _depth(manifest: Manifest, providers: Mapping[str, Manifest], seen: frozenset[int] = frozenset()) -> int:
    gate = manifest.gate
    if not gate or id(manifest) in seen:
        return 0
    wanted = [*(f"service {s}" for s in gate.services), *(f"job {j}" for j in gate.jobs)]
    inside = [providers[w] for w in wanted if w in providers]
    return max((1 + _depth(p, providers, seen | {id(manifest)}) for p in inside), default=0)


def _claims(workload: Manifest) -> Iterable[str]:
    """The names of the claims that its Pods mount."""
    spec = workload.body.get("spec", {})
    pod = spec.get("jobTemplate", {"spec": spec})["spec"].get("template", {}).get("spec", {})
    return [
        volume["persistentVolumeClaim"]["claimName"] for volume in pod.get("volumes", ()) if "persistentVolumeClaim" in volume
    ]


def set_waves(component: Component) -> None:
    """Annotate each object of a component with its wave, unless it has one."""
    if all(ANNOTATION in m.body["metadata"].get("annotations", {}) for m in component.manifests):
        return
    workloads = [m for m in component.manifests if m.body["kind"] in _WORKLOADS]
    providers = {offer: m for m in workloads for offer in _offers(m)}
    depths = {id(m): _FIRST_WORKLOAD + _depth(m, providers) for m in workloads}
    claimed: dict[str, int] = {}
    for workload in sorted(workloads, key=lambda m: depths[id(m)]):
        for claim in _claims(workload):
            claimed.setdefault(claim, depths[id(workload)])
    for manifest in component.manifests:
        kind = manifest.body["kind"]
        if kind in _WORKLOADS:
            step = depths[id(manifest)]
        elif kind == "PersistentVolumeClaim":
            step = claimed.get(manifest.body["metadata"]["name"], _LATE)
        else:
            step = _EARLY.get(kind, _LATE)
        wave = component.level * _STEP + min(step, _LATE)
        manifest.body["metadata"].setdefault("annotations", {}).setdefault(ANNOTATION, str(wave))
