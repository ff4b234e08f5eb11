"""Which server of the database takes the writes: what is seen of the Pods in, what to write to them out.

The Service ``mariadb`` leads clients to the Pod with the label ``mariadb_role: primary``. A server that has the role keeps it as
long as it is fit; otherwise the fit one with the lowest number gets it. As long as none is fit nothing is written, and clients
stay where they are.

Never two have the role, although labels of several Pods cannot be written at once, and although a controller that was paused, or
a request that was lost on its way, may come back at any time. Three rules see to that, without any clock:

- A write names the version of the Pod that was read, so it fails when the Pod was changed since.
- Every write puts the writer's fence on the Pod, a word that nobody else uses. Who cannot know whether a write of its own has
  arrived, or still will, takes a new word.
- The role is given only when a single reading shows one's own fence on every Pod, and the role on none.

So a write that is late finds the fence of somebody else, and a version that is not the one it names. If it is early, whoever
comes later reads the role that it gave.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STATEFUL_SET = "mariadb-server"
SELECTOR = "application=mariadb,component=server"
ROLE = "mariadb_role"
PRIMARY = "primary"
BACKUP = "backup"
FENCE = "stackloom.io/fence"
DRAIN = "stackloom.io/drain"

Object = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """A Pod that the labels of the servers select. ``number`` is None for one that the StatefulSet did not make."""

    name: str
    uid: str
    version: str
    number: int | None
    ready: bool = False
    terminating: bool = False
    role: str = ""
    fence: str = ""
    drain: bool = False
    address: str = ""


@dataclass(frozen=True)
class Answer:
    """What a server's agent says: whether the server is ready, and who is in the primary component that it belongs to, if any."""

    ready: bool
    component: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Snapshot:
    """All that a decision rests on, read at one time. ``answers`` is by the Pods' uids: none is there where no agent answers."""

    replicas: int
    pods: Sequence[Pod]
    fence: str
    answers: Mapping[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True)
class Write:
    """Give the Pod this role and the snapshot's fence. ``drain`` is whether its clients are to be sent away (None: as before)."""

    pod: Pod
    role: str
    drain: bool | None
    reason: str

    def body(self, fence: str) -> Object:
        """The patch: a Conflict for a Pod that was changed since it was read, or replaced by another of its name."""
        notes = {FENCE: fence} | ({} if self.drain is None else {DRAIN: "" if self.drain else None})
        return _patch(self.pod, {"labels": {ROLE: self.role}, "annotations": notes})


@dataclass(frozen=True)
class Drain:
    """Send the clients of this Pod away, and remove the mark."""

    pod: Pod

    def body(self, fence: str) -> Object:
        """The patch that removes the mark."""
        return _patch(self.pod, {"annotations": {FENCE: fence, DRAIN: None}})


def _patch(pod: Pod, metadata: Object) -> Object:
    return {"metadata": {"uid": pod.uid, "resourceVersion": pod.version, **metadata}}


def pod_of(body: Object, stateful_set: str = STATEFUL_SET) -> Pod:
    """A Pod as the API has it."""
    metadata, status = body["metadata"], body.get("status") or {}
    labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    owned = any(
        o.get("controller") and (o["kind"], o["name"]) == ("StatefulSet", stateful_set)
        for o in _list(metadata, "ownerReferences")
    )
    matched = re.fullmatch(rf"{re.escape(stateful_set)}-(0|[1-9]\d*)", metadata["name"])
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        number=int(matched[1]) if owned and matched else None,
        ready=status.get("phase") == "Running"
        and any((c["type"], c["status"]) == ("Ready", "True") for c in _list(status, "conditions")),
        terminating="deletionTimestamp" in metadata,
        role=labels.get(ROLE, ""),
        fence=notes.get(FENCE, ""),
        drain=DRAIN in notes,
        address=status.get("podIP", ""),
    )


def _list(of: Object, key: str) -> list[Object]:
    return of.get(key) or []


def answer_of(state: Any, pod: Pod) -> Answer | None:
    """The answer of an agent to ``GET /state``; None for one of another Pod, or that makes no sense."""
    try:
        if state["uid"] != pod.uid:
            return None
        wsrep = state["wsrep"] or {}
        members = frozenset(map(str, wsrep["members"])) if wsrep.get("cluster_status") == "Primary" else frozenset()
        return Answer(state["ready"] is True, members if pod.name in members else frozenset())
    except (KeyError, TypeError, AttributeError):
        return None


def decide(snapshot: Snapshot) -> list[Write | Drain]:
    """What to do now, in this order. After any of it there may be more: look again."""
    choice = chosen(snapshot)
    if choice is None:
        return []
    others = [pod for pod in snapshot.pods if pod is not choice]
    writes: list[Write | Drain] = [
        Write(pod, BACKUP, True, obstacle(pod, snapshot) or "several Pods are primary") for pod in others if pod.role == PRIMARY
    ]
    writes += [
        Write(pod, BACKUP, None, "")
        for pod in others
        if pod.number is not None and pod.role != PRIMARY and (pod.role != BACKUP or pod.fence != snapshot.fence)
    ]
    holds = choice.role == PRIMARY
    if choice.fence != snapshot.fence:
        writes.append(Write(choice, PRIMARY if holds else BACKUP, None, ""))
    elif not holds and not writes:
        writes.append(Write(choice, PRIMARY, False, "the fit server with the lowest number"))
    # With nothing to write, the choice has the role.
    return writes or [Drain(pod) for pod in others if pod.drain]


def chosen(snapshot: Snapshot) -> Pod | None:
    """Who is to be the primary: one that is it already if it is fit, else the lowest number; None if none is fit."""
    fit = [pod for pod in snapshot.pods if not obstacle(pod, snapshot)]
    return min(fit, key=lambda pod: (pod.role != PRIMARY, pod.number), default=None)


def obstacle(pod: Pod, snapshot: Snapshot) -> str:
    """Why this Pod cannot be the primary; "" if it can."""
    if pod.number is None:
        return "it is not one of the StatefulSet's"
    if pod.number >= snapshot.replicas:
        return "it is above the number of replicas"
    if pod.terminating:
        return "it is being terminated"
    if not serves(pod, snapshot):
        return "it is not ready"
    component = primary_component(snapshot)
    return "the primary component has gone on without it" if component and pod.name not in component else ""


def serves(pod: Pod, snapshot: Snapshot) -> bool:
    """Whether the Pod is ready: Kubernetes says so, and its agent, which is faster to say no, does not object."""
    answer = snapshot.answers.get(pod.uid)
    return pod.ready and (answer is None or answer.ready)


def primary_component(snapshot: Snapshot) -> frozenset[str]:
    """The names of the servers that can write, as far as agents say; empty if they say nothing, or nothing clear.

    Just after a server is cut off it still believes in the former component: what more servers say counts, and where as many say
    different things, the larger component.
    """
    said = Counter(answer.component for answer in snapshot.answers.values() if answer.component)
    weight = max(((said[c], len(c)) for c in said), default=None)
    weightiest = [c for c in said if (said[c], len(c)) == weight]
    return weightiest[0] if len(weightiest) == 1 else frozenset()
