"""Workloads: the bodies of Deployments, StatefulSets, DaemonSets, Jobs and CronJobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackloom.manifests.pod import Pod, pod_template
from stackloom.names import LABEL_PREFIX, content_hash

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who an object is: its name, and the labels from which selectors are made."""

    name: str
    namespace: str
    labels: Mapping[str, str]

    @property
    def selector(self) -> dict[str, str]:
        """The two labels that never change, and so may stand in a selector, which is immutable."""
        return {key: self.labels[key] for key in ("application", "component")}

    def body(self, api_version: str, kind: str, **rest: Any) -> Body:
        """An object of this identity."""
        metadata = {"name": self.name, "namespace": self.namespace, "labels": dict(self.labels)}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def deployment(who: Identity, pod: Pod, *, replicas: int, surge: int | str = "25%", deadline_seconds: int = 1800) -> Body:
    """A Deployment that rolls without losing capacity, and has failed when it stood still for ``deadline_seconds``.

    On its node's network a new Pod finds the ports of the old one taken: there the old one goes first.
    """
    rolling: Body = {"maxUnavailable": 0 if replicas < 3 else 1, "maxSurge": surge}
    if pod.host_network:
        rolling = {"maxUnavailable": 1, "maxSurge": 0}
    return who.body(
        "apps/v1",
        "Deployment",
        spec={
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": deadline_seconds,  # Pods wait in their gates while what they need comes up
            "selector": {"matchLabels": who.selector},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": rolling,
            },
            "template": pod_template(pod, who.labels, who.selector),
        },
    )


def stateful_set(
    who: Identity,
    pod: Pod,
    *,
    replicas: int,
    service: str,
    claims: Sequence[Body] = (),
    parallel: bool = True,
) -> Body:
    """A StatefulSet behind the headless Service ``service``, with a volume for each of ``claims``."""
    spec: Body = {
        "replicas": replicas,
        "revisionHistoryLimit": 3,
        "serviceName": service,
        "podManagementPolicy": "Parallel" if parallel else "OrderedReady",
        "selector": {"matchLabels": who.selector},
        "updateStrategy": {"type": "RollingUpdate"},
        "template": pod_template(pod, who.labels, who.selector),
    }
    if claims:
        spec["volumeClaimTemplates"] = list(claims)
        # Else the kubelet would go through every file of the volume at each start.
        spec["template"]["spec"]["securityContext"]["fsGroupChangePolicy"] = "OnRootMismatch"
    return who.body("apps/v1", "StatefulSet", spec=spec)


def volume_claim(name: str, size: str, storage_class: str | None, *, shared: bool = False) -> Body:
    """A claim for a StatefulSet's ``volumeClaimTemplates``, with every field that the API would add, so that no diff shows."""
    spec: Body = {
        "accessModes": ["ReadWriteMany" if shared else "ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
        "volumeMode": "Filesystem",
    }
    if storage_class:
        spec["storageClassName"] = storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def daemon_set(who: Identity, pod: Pod, *, on_delete: bool = False) -> Body:
    """A DaemonSet that rolls node by node, or only as its Pods are deleted where a restart interrupts the data plane."""
    strategy: Body = {"type": "OnDelete"} if on_delete else {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    return who.body(
        "apps/v1",
        "DaemonSet",
        spec={
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": who.selector},
            "updateStrategy": strategy,
            "template": pod_template(pod, who.labels, who.selector),
        },
    )


# A Pod that its node lost, or that had to leave it, has not said how its work ended: that one is made again.
_UNLESS_DISRUPTED = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}


def _job_spec(who: Identity, pod: Pod, deadline_seconds: int, *, retries: int) -> Body:
    once = pod.restart_policy == "Never"
    return {
        "backoffLimit": 0 if once else retries,
        **({"podFailurePolicy": _UNLESS_DISRUPTED} if once else {}),
        "activeDeadlineSeconds": deadline_seconds,
        "template": pod_template(pod, who.labels, who.selector),
    }


def job(who: Identity, pod: Pod, *, deadline_seconds: int = 3600) -> Body:
    """A Job whose name ends in a hash of all that it is.

    A change makes another Job and an unrelated change none, so that an immutable field is never changed. It is kept when it has
    succeeded (no TTL): gates look for it by its label ``stackloom.io/job``, whose value is the name without the hash.
    A Pod that is never restarted has one try: the Job has failed when it has.
    """
    labels = {**who.labels, f"{LABEL_PREFIX}/job": who.name}
    labelled = Identity(name=who.name, namespace=who.namespace, labels=labels)
    spec = _job_spec(labelled, pod, deadline_seconds, retries=100)  # a migration that waits for its database is not a failed one
    named = Identity(name=f"{who.name}-{content_hash(spec)}", namespace=who.namespace, labels=labels)
    return named.body("batch/v1", "Job", spec=spec)


def cron_job(who: Identity, pod: Pod, *, schedule: str, suspend: bool = False, deadline_seconds: int = 3600) -> Body:
    """A CronJob that never runs twice at once and keeps its last failures to be read."""
    return who.body(
        "batch/v1",
        "CronJob",
        spec={
            "schedule": schedule,
            "suspend": suspend,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "metadata": {"labels": dict(who.labels)},
                "spec": _job_spec(who, pod, deadline_seconds, retries=6),
            },
        },
    )
