"""What every object of a cloud keeps to, so that Argo CD can sync it calmly and a node can be drained at any time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from stackloom.checks.context import CheckContext
from stackloom.checks.index import LONG_RUNNING, Container, Index, Workload, at, each, problem, text
from stackloom.errors import Problem
from stackloom.model.output import Output
from stackloom.names import LABEL_PREFIX

PRIVILEGE_REASON = f"{LABEL_PREFIX}/privilege-reason"
CONFIG_CHECKSUM = f"{LABEL_PREFIX}/config-checksum"
WAVE = "argocd.argoproj.io/sync-wave"
PROGRESS_DEADLINE = 1800
POD_LABELS = ("app.kubernetes.io/name", "application", "component")

_HOOKS = ("argocd.argoproj.io/hook", "helm.sh/hook")
_REPLACING = re.compile(r"\b(Replace|Force)=true\b", re.IGNORECASE)


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:  # noqa: ARG001
    """Annotations for Argo CD; Jobs; images, probes, resources, privileges, tokens; spreading and disruption budgets.

    What the operator's own charts hold keeps the operator's own conventions.
    """
    index = Index.of(output)
    for o in index.objects:
        yield from _argo_cd(o)
    guarded = {
        w for o in index.of_kind("PodDisruptionBudget") for w in index.selected(o.namespace, at(o.body, "spec", "selector"))
    }
    for w in index.workloads:
        if w.output.foreign:
            continue
        kind = w.output.kind
        if kind == "Job":
            yield from _job(w)
        if kind in ("Job", "CronJob") and text(w.spec, "restartPolicy") not in ("OnFailure", "Never"):
            yield w.problem("spec.restartPolicy", f"a {kind} needs OnFailure or Never")
        if kind in LONG_RUNNING:
            yield from _long_running(w)
        if kind in ("Deployment", "StatefulSet") and index.replicas(w) > 1:
            yield from _several(w, guarded)
        yield from _pod(w, index)
        for container in w.containers:
            yield from _container(w, container)


def _argo_cd(o: Output) -> Iterator[Problem]:
    annotations = at(o.body, "metadata", "annotations")
    for hook in _HOOKS:
        if hook in annotations:
            what = f"the annotation {hook} makes it a hook, which Argo CD skips when it heals or syncs a part"
            yield problem(o, "metadata.annotations", what, "Leave it out: gates and waves give the order")
    wave = annotations.get(WAVE)
    if wave is not None and not re.fullmatch(r"-?\d{1,9}", str(wave)):
        yield problem(o, f"metadata.annotations[{WAVE}]", f"{wave!r} is no wave", "A wave is a whole number, as text")
    options = [text(annotations, "argocd.argoproj.io/sync-options")]
    if o.kind == "Application":
        listed = at(o.body, "spec", "syncPolicy").get("syncOptions")
        options += map(str, listed) if isinstance(listed, list) else []
    found = _REPLACING.search(",".join(options))
    if found:
        what = f"the sync option {found[0]} deletes and makes anew what it should update"
        yield problem(
            o, "spec.syncPolicy.syncOptions" if o.kind == "Application" else "metadata.annotations", what, "Leave it out"
        )


def _job(w: Workload) -> Iterator[Problem]:
    o = w.output
    if not re.search(r"-[0-9a-f]{10}$", o.name):
        what = f"the name {o.name!r} does not end in a hash of 10 hexadecimal digits"
        yield problem(o, "metadata.name", what, "A Job cannot be changed: make its name from its content (content_hash)")
    if "ttlSecondsAfterFinished" in at(o.body, "spec"):
        what = "a Job that removes itself is missing for Argo CD, which makes and runs it again"
        yield problem(o, "spec.ttlSecondsAfterFinished", what, "Leave it out")


def _long_running(w: Workload) -> Iterator[Problem]:
    o = w.output
    if o.kind == "Deployment" and w.gate:
        deadline = at(o.body, "spec").get("progressDeadlineSeconds")
        if not isinstance(deadline, int) or deadline < PROGRESS_DEADLINE:
            what = "Pods that wait in a gate outlast the deadline, and Argo CD gives up the sync"
            yield problem(o, "spec.progressDeadlineSeconds", what, f"Set it to {PROGRESS_DEADLINE} or more")
    for container in w.containers:
        if not container.init:
            for probe in ("readinessProbe", "livenessProbe"):
                if not at(container.body, probe):
                    yield problem(o, f"{container.field}.{probe}", "is missing", "Say how the container shows that it works")


def _several(w: Workload, guarded: set[Workload]) -> Iterator[Problem]:
    if w not in guarded:
        what = "there are several replicas and no PodDisruptionBudget selects them"
        yield problem(w.output, "spec.replicas", what, "Add one with maxUnavailable: 1")
    if not w.spec.get("topologySpreadConstraints") and not at(w.spec, "affinity", "podAntiAffinity"):
        what = "there are several replicas and nothing keeps them on different nodes"
        yield w.problem("spec", what, "Add topologySpreadConstraints or podAntiAffinity")


def _pod(w: Workload, index: Index) -> Iterator[Problem]:
    missing = [label for label in POD_LABELS if not w.labels.get(label)]
    if missing:
        yield w.problem("metadata.labels", f"the Pod has no label {', '.join(missing)}")
    if w.spec.get("automountServiceAccountToken") is not False:
        hint = "Set it to false; a container that asks the Kubernetes API mounts a projected serviceAccountToken"
        yield w.problem(
            "spec.automountServiceAccountToken", "every container of the Pod would get a token for the Kubernetes API", hint
        )
    if w.output.kind in LONG_RUNNING and CONFIG_CHECKSUM not in w.annotations and _reads_configuration(w, index):
        what = f"the Pod reads a ConfigMap and has no annotation {CONFIG_CHECKSUM}"
        yield w.problem("metadata.annotations", what, "Without it a change of the configuration restarts nothing")
    reasons = list(_privileges(w))
    if reasons and not str(w.annotations.get(PRIVILEGE_REASON, "")).strip():
        for field, what in reasons:
            yield problem(w.output, field, what, f"Do without it, or say why in the annotation {PRIVILEGE_REASON} of the Pod")


def _reads_configuration(w: Workload, index: Index) -> bool:
    """Whether a container gets a ConfigMap of the output, as files or as environment. What a gate reads ends with the gate."""
    mounted = {text(mount, "name") for c in w.containers if c is not w.gate for _, mount in each(c.body, "volumeMounts")}
    volumes = [volume for _, volume in each(w.spec, "volumes") if text(volume, "name") in mounted]
    sources = [*volumes, *(source for volume in volumes for _, source in each(at(volume, "projected"), "sources"))]
    names = [text(at(source, "configMap"), "name") for source in sources]
    for container in w.containers:
        names += [text(at(source, "configMapRef"), "name") for _, source in each(container.body, "envFrom")]
        names += [text(at(variable, "valueFrom", "configMapKeyRef"), "name") for _, variable in each(container.body, "env")]
    return any(name and index.find("ConfigMap", w.output.namespace, name) for name in names)


def _privileges(w: Workload) -> Iterator[tuple[str, str]]:
    """What the Pod may do beyond an ordinary one: field and sentence."""
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if w.spec.get(key):
            yield f"{w.field}spec.{key}", f"the Pod shares {key.removeprefix('host')} with its node"
    for i, volume in each(w.spec, "volumes"):
        if "hostPath" in volume:
            path = text(at(volume, "hostPath"), "path")
            yield f"{w.field}spec.volumes[{i}].hostPath", f"the Pod sees {path} of its node"
    pod = at(w.spec, "securityContext")
    for container in w.containers:
        own, field = at(container.body, "securityContext"), f"{container.field}.securityContext"
        if own.get("privileged"):
            yield f"{field}.privileged", "the container is privileged"
            continue
        if own.get("allowPrivilegeEscalation"):
            yield f"{field}.allowPrivilegeEscalation", "the container may gain privileges"
        added = at(own, "capabilities").get("add")
        if added:
            yield f"{field}.capabilities.add", f"the container has the capabilities {', '.join(map(str, added))}"
        context = {**pod, **own}
        if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is not True:
            yield field, "the container may run as root"


def _container(w: Workload, container: Container) -> Iterator[Problem]:
    o, field, body = w.output, container.field, container.body
    name, _, digest = text(body, "image").partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not digest and tag in ("", "latest"):
        what = f"the image {name!r} has no tag" if not tag else f"the image {name!r} is another one every other day"
        yield problem(o, f"{field}.image", what, "Give it the tag of a release, or a digest")
    for part, resources in (("requests", ("cpu", "memory")), ("limits", ("memory",))):
        amounts = at(body, "resources", part)
        for resource in resources:
            if resource not in amounts:
                yield problem(o, f"{field}.resources.{part}.{resource}", "is missing", "Say what the container needs")
    yield from _capabilities(o, field, at(body, "securityContext", "capabilities"))


def _capabilities(o: Output, field: str, capabilities: dict[str, Any]) -> Iterator[Problem]:
    for key in ("add", "drop"):
        names = capabilities.get(key)
        for i, name in enumerate(names if isinstance(names, list | tuple) else ()):
            if str(name).startswith("CAP_"):
                where = f"{field}.securityContext.capabilities.{key}[{i}]"
                yield problem(o, where, f"{name!r} is no capability for Kubernetes", f"Write {str(name).removeprefix('CAP_')}")
