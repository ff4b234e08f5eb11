"""A Pod, as a service describes it, and the Pod template that comes of it.

What every Pod gets stands here once: an unprivileged user, a read-only root, no token, gates, spreading, a checksum of
the files it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stackloom.manifests.files import ConfigFile, File, mounts_and_volumes
from stackloom.manifests.gate import TOKEN_MOUNT, Gate, gate_container, token_volume
from stackloom.manifests.mounts import Mount, named_volumes, volume_of
from stackloom.model.credential import SecretKey
from stackloom.model.placement import NodeRole
from stackloom.names import LABEL_PREFIX, content_hash


@dataclass(frozen=True, slots=True)
class PodField:
    """A value that the Pod knows of itself when it runs, by the path of the downward API."""

    path: str


Env = Mapping[str, str | SecretKey | PodField]

_TMP = "/tmp"  # noqa: S108 - in the container
# The user and group that the published OpenStack images run as.
OPENSTACK_UID = 42424
# Without these, a Pod would be deleted five minutes after its node went silent, and stay in deletion until the node is back.
_AWAY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What a container asks for and may not exceed. CPU has no limit: throttling slows a service that could run.

    ``over`` are the operator's ``requests`` and ``limits``, where a service's features have some of their own.
    """

    cpu: str = "100m"
    memory: str = "128Mi"
    memory_limit: str = "512Mi"
    over: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The container's ``resources``."""
        base: dict[str, dict[str, str]] = {
            "requests": {"cpu": self.cpu, "memory": self.memory},
            "limits": {"memory": self.memory_limit},
        }
        for part, amounts in self.over.items():
            base[part] = {**base.get(part, {}), **amounts}
        return base


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One way to look at a container: an HTTP path on the port named ``port``, a connection to the port ``listens``, a command.

    Every ``period`` seconds, for at most ``timeout``; it has failed when it did so ``failures`` times in a row.
    """

    path: str = ""
    port: str = "api"
    listens: str = ""
    command: tuple[str, ...] = ()
    timeout: int = 5
    period: int = 10
    failures: int = 6

    @property
    def action(self) -> dict[str, Any]:
        """What is done."""
        if self.command:
            return {"exec": {"command": list(self.command)}}
        return {"tcpSocket": {"port": self.listens}} if self.listens else {"httpGet": {"path": self.path, "port": self.port}}

    def body(self, failures: int = 0) -> dict[str, Any]:
        """The probe, with another number of ``failures`` if one is given."""
        timing = {"periodSeconds": self.period, "timeoutSeconds": self.timeout, "failureThreshold": failures or self.failures}
        return {**self.action, **timing}


@dataclass(frozen=True, kw_only=True, slots=True)
class Probes:
    """How a container shows that it is ready and that it lives: by one action, as in :class:`Probe`, or lives by another.

    Until it was ready once it has ``startup_seconds``. Give 0, and an ``alive`` that is true while it starts, for what may take
    any time to recover and must not be killed for it.
    """

    path: str = ""
    port: str = "api"
    listens: str = ""
    command: tuple[str, ...] = ()
    timeout: int = 5
    period: int = 10
    startup_seconds: int = 300
    alive: Probe | None = None

    def body(self) -> dict[str, Any]:
        """Startup, readiness and liveness. Liveness is three times as patient: a restart must cure more than it costs."""
        ready = Probe(
            path=self.path, port=self.port, listens=self.listens, command=self.command, timeout=self.timeout, period=self.period
        )
        startup = {"startupProbe": ready.body(max(1, self.startup_seconds // self.period))} if self.startup_seconds else {}
        return {**startup, "readinessProbe": ready.body(2), "livenessProbe": (self.alive or ready).body()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Privilege:
    """What a container needs beyond an ordinary one, and why: the reason stands on the Pod for its reviewer."""

    reason: str
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    user: int | None = None
    writable_root: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """One container.

    ``writable`` are directories that it may write: empty, and lost with the Pod. ``mounts`` is what else it sees of volumes.
    ``host_ports`` gives those of its ``ports`` that the node itself has too, by name. When the Pod is deleted, it goes on for
    ``drain_seconds``, or until ``before_stop`` has run.
    """

    name: str
    image: str
    command: Sequence[str]
    env: Env = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    host_ports: Mapping[str, int] = field(default_factory=dict)
    files: Sequence[File] = ()
    writable: Sequence[str] = ()
    resources: Mapping[str, Any] = field(default_factory=lambda: Resources().body())
    probes: Probes | None = None
    privilege: Privilege | None = None
    drain_seconds: int = 0
    before_stop: Sequence[str] = ()
    mounts: Sequence[Mount] = ()
    volume_mounts: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """A Pod: its containers, where it runs, what it waits for.

    ``spread`` puts its replicas on different nodes as far as that goes, ``apart`` never two on one node. ``user`` is the numeric
    user and group of its containers; ``token`` says that its main containers talk to the Kubernetes
    API; ``volumes`` are bodies for what containers mount by name (``volume_mounts``).
    ``host_network``, ``host_pid`` and ``host_ipc`` share with the node what they say.
    ``bound`` is for a Pod that can run nowhere but on its node: it waits there for as long as the node is away.
    ``runtime_labels`` are the keys of labels that a program puts on it while it runs.
    """

    containers: Sequence[Container]
    init: Sequence[Container] = ()
    role: NodeRole | Mapping[str, str] | None = NodeRole.CONTROL_PLANE
    gate: Gate = field(default_factory=Gate)
    service_account: str = "default"
    user: int = OPENSTACK_UID
    token: bool = False
    grace_seconds: int = 30
    restart_policy: str = "Always"
    affinity: Mapping[str, Any] | None = None
    spread: bool = False
    apart: bool = False
    bound: bool = False
    runtime_labels: Sequence[str] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False

    @property
    def node_labels(self) -> dict[str, str]:
        """The labels of the nodes that it may run on."""
        return self.role.labels if isinstance(self.role, NodeRole) else dict(self.role or {})

    @property
    def shared(self) -> dict[str, Any]:
        """What it shares with its node. Names are still those of the cluster."""
        network = {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"} if self.host_network else {}
        return {**network, **({"hostPID": True} if self.host_pid else {}), **({"hostIPC": True} if self.host_ipc else {})}


def env_body(env: Env) -> list[dict[str, Any]]:
    """``env`` as a container wants it: plain values last, so that each ``$(NAME)`` in them is defined before it."""
    plain, referred = [], []
    for name, value in env.items():
        match value:
            case SecretKey():
                referred.append({"name": name, "valueFrom": {"secretKeyRef": {"name": value.secret, "key": value.key}}})
            case PodField():
                referred.append({"name": name, "valueFrom": {"fieldRef": {"fieldPath": value.path}}})
            case _:
                plain.append({"name": name, "value": value})
    return referred + plain


def _security(privilege: Privilege | None) -> dict[str, Any]:
    p = privilege or Privilege(reason="")
    if p.privileged:
        return {
            "privileged": True,
            "readOnlyRootFilesystem": not p.writable_root,
            "runAsUser": p.user or 0,
            "runAsNonRoot": bool(p.user),
        }
    body: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": not p.writable_root,
    }
    if p.capabilities:
        body["capabilities"]["add"] = sorted(p.capabilities)
    if p.user is not None:
        body |= {"runAsUser": p.user, "runAsGroup": p.user, "runAsNonRoot": p.user != 0}
    return body


def _container(
    c: Container, mounts: list[dict[str, Any]], volumes: Sequence[Mapping[str, Any]], *, init: bool = False
) -> dict[str, Any]:
    body: dict[str, Any] = {"name": c.name, "image": c.image, "imagePullPolicy": "IfNotPresent", "command": list(c.command)}
    env = {name: key for file in c.files if isinstance(file, ConfigFile) for name, key in file.secrets.items()} | dict(c.env)
    if env:
        body["env"] = env_body(env)
    if c.ports:
        body["ports"] = [
            {"name": name, "containerPort": port, "protocol": "TCP"}
            | ({"hostPort": c.host_ports[name]} if name in c.host_ports else {})
            for name, port in c.ports.items()
        ]
    if c.probes and not init:
        body |= c.probes.body()
    if c.before_stop or c.drain_seconds:
        # The endpoint leaves the load balancers a moment after SIGTERM is due: keep serving for that moment.
        command = list(c.before_stop) or ["sleep", str(c.drain_seconds)]
        body["lifecycle"] = {"preStop": {"exec": {"command": command}}}
    body["resources"] = dict(c.resources)
    body["securityContext"] = _security(c.privilege)
    body["volumeMounts"] = [
        *mounts,
        *({"name": "scratch", "mountPath": path, "subPath": path.strip("/").replace("/", "-")} for path in (_TMP, *c.writable)),
        *(mount.mounted(volume_of(mount, volumes)) for mount in c.mounts),
        *map(dict, c.volume_mounts),
    ]
    return body


def _annotations(pod: Pod) -> dict[str, str]:
    containers = [*pod.init, *pod.containers]
    annotations = {}
    files = {f.path: f.checksum_of for c in containers for f in c.files if f.checksum_of}
    if files:
        annotations[f"{LABEL_PREFIX}/config-checksum"] = content_hash(files, 16)
    reasons = {c.privilege.reason: None for c in containers if c.privilege}
    if reasons:
        annotations[f"{LABEL_PREFIX}/privilege-reason"] = "; ".join(reasons)
    if pod.runtime_labels:
        annotations[f"{LABEL_PREFIX}/runtime-labels"] = ",".join(pod.runtime_labels)
    return annotations


def pod_template(pod: Pod, labels: Mapping[str, str], selector: Mapping[str, str]) -> dict[str, Any]:
    """The ``template`` of a workload: ``labels`` are all of the Pod's labels, ``selector`` those that name its peers."""
    every = [*pod.init, *pod.containers]
    mounts, volumes = mounts_and_volumes([*(c.files for c in every), pod.gate.files if pod.gate else ()])
    taken = {volume["name"] for volume in (*volumes, *pod.volumes)}
    mounted = named_volumes((mount for c in every for mount in c.mounts), {*taken, "scratch"})
    bodies = [_container(c, mounts[i], mounted, init=i < len(pod.init)) for i, c in enumerate(every)]
    init, containers = bodies[: len(pod.init)], bodies[len(pod.init) :]
    if pod.gate:
        init.insert(0, gate_container(pod.gate, mounts[-1], _security(None)))
    if pod.gate or pod.token:
        volumes.append(token_volume())
    if pod.token:
        for body in containers:
            body["volumeMounts"].append(dict(TOKEN_MOUNT))
    spec: dict[str, Any] = {
        "serviceAccountName": pod.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": pod.restart_policy,
        "terminationGracePeriodSeconds": pod.grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": pod.user,
            "runAsGroup": pod.user,
            "fsGroup": pod.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **pod.shared,
    }
    if pod.node_labels:
        spec["nodeSelector"] = pod.node_labels
    if pod.bound:
        spec["tolerations"] = [{"key": key, "operator": "Exists", "effect": "NoExecute"} for key in _AWAY]
    if pod.affinity:
        spec["affinity"] = dict(pod.affinity)
    if pod.apart:
        term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": dict(selector)}}
        rule = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
        spec["affinity"] = {**spec.get("affinity", {}), "podAntiAffinity": rule}
    if pod.spread:
        spec["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(selector)},
            }
        ]
    if init:
        spec["initContainers"] = init
    spec["containers"] = containers
    spec["volumes"] = [*volumes, *mounted, *map(dict, pod.volumes), {"name": "scratch", "emptyDir": {}}]
    metadata: dict[str, Any] = {"labels": dict(labels)}
    annotations = _annotations(pod)
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": spec}
