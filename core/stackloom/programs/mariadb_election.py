"""Which server of a Galera cluster starts it, when none of them runs: reports in, a decision out.

Galera joins what runs, but it cannot say which of the servers to start first when all have stopped. A wrong one would lose what
the others have confirmed to clients. So a server that finds no running cluster does not start. It reports what its volume holds
to the ConfigMap ``mariadb-state``, and waits. All keys of that hold JSON:

- ``report.<pod>``: a Report. It stands for a promise: MariaDB is stopped there, and stays so until the report is deleted.
- ``member.<pod>``: the server has been part of the cluster. If it comes without data, a disk was lost.
- ``decision``: the last Decision. Its pod obeys it, and nobody else.

The controller that leads calls :func:`coordinate` again and again; whatever it knows is in the ConfigMap, so any controller can
go on where another ended. The annotation ``stackloom.io/force-bootstrap: <pod>`` on the ConfigMap is a human's order to start
with that server, although others may hold what it does not. It makes a new history, so that Galera copies all data to the others
anew instead of mixing what differs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kube import CONFIG_MAPS, Conflict, Kube, NotFound
from mariadb_volume import KINDS, Position

STATE = "mariadb-state"
STATEFUL_SET = "mariadb-server"
FORCE = "stackloom.io/force-bootstrap"

Mode = Literal["new", "bootstrap", "forced"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one server says of its volume. ``epoch`` is that of the last decision it has seen, ``time`` is for readers."""

    pod: str
    uid: str
    position: Position
    epoch: int = 0
    time: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it stands in the ConfigMap."""
        position = asdict(self.position)
        return {"uid": self.uid, "class": position.pop("kind"), **position, "epoch": self.epoch, "time": self.time}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who starts the cluster: with nothing (``new``), from its data (``bootstrap``), or under a new history (``forced``).

    It holds for the Pod of this uid, and for what that had reported when it was made: ``reports`` is a hash of all of them.
    """

    epoch: int
    pod: str
    uid: str
    uuid: str
    seqno: int
    mode: Mode
    reports: str


@dataclass(frozen=True)
class Refusal:
    """Why nobody is to start. With ``alert`` it stays so until somebody does something."""

    reason: str
    alert: bool = False


def ordinal(pod: str) -> int:
    """The number at the end of a Pod's name: -1 if there is none."""
    number = pod.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def elect(
    reports: Mapping[str, Report], *, expected: Collection[str], members: Collection[str], last: Decision | None, force: str = ""
) -> Decision | Refusal:
    """Who starts, given what each Pod has reported.

    ``expected`` are all Pods that there should be, ``members`` those that have been part of the cluster, ``last`` is the decision
    before. ``force`` names the Pod that a human wants to start from, "" for none.
    """
    if force:
        return _forced(reports, expected, last, force)
    if missing := _names(set(expected) - set(reports)):
        return Refusal(f"{missing} may run, or hold newer data: nothing starts until all servers have reported")
    kinds = {kind: {pod: r for pod, r in reports.items() if r.position.kind == kind and pod in expected} for kind in KINDS}
    if unclear := _names(kinds["unknown"]):
        return Refusal(f"the data of {unclear} do not say what they are, and may be the newest", alert=True)
    if not kinds["clean"] and not kinds["crashed"]:
        return _beginning(reports, expected, members, last)
    known = bool(members) or last is not None
    if lost := _names(pod for pod in kinds["empty"] if not known or pod in members):
        return Refusal(f"{lost} lost its disk, which may have held the newest data", alert=True)
    return _newest(reports, expected, last)


def _beginning(
    reports: Mapping[str, Report], expected: Collection[str], members: Collection[str], last: Decision | None
) -> Decision | Refusal:
    """The first Pod makes new data, if there have never been any."""
    if copies := _names(pod for pod in expected if reports[pod].position.kind == "partial"):
        return Refusal(f"no server has data: {copies} have unfinished copies only; restore a backup", alert=True)
    if members:
        return Refusal(f"no server has data, but {_names(members)} had: restore the disks or a backup", alert=True)
    return _decision(reports, min(expected, key=ordinal), "new", last)


def _newest(reports: Mapping[str, Report], expected: Collection[str], last: Decision | None) -> Decision | Refusal:
    """The Pod with the newest data. A Pod above the number of replicas does not start, but its data count."""
    data = {pod: r for pod, r in reports.items() if r.position.kind in ("clean", "crashed")}
    histories = {r.position.uuid for r in data.values()}
    if len(histories) > 1:
        told = ", ".join(f"{pod} has {data[pod].position.uuid}" for pod in sorted(data, key=ordinal))
        return Refusal(f"the servers hold data of different histories: {told}", alert=True)
    if unclear := _names(pod for pod, r in data.items() if r.position.seqno < 0):
        return Refusal(f"the position of {unclear} is not known", alert=True)
    newest = max(r.position.seqno for r in data.values())
    candidates = [pod for pod in data if pod in expected and data[pod].position.seqno == newest]
    if not candidates:
        ahead = _names(pod for pod, r in data.items() if r.position.seqno == newest)
        return Refusal(f"{ahead} holds the newest data, but is above the number of replicas: raise it", alert=True)
    chosen = min(candidates, key=lambda pod: (not data[pod].position.safe_to_bootstrap, ordinal(pod)))
    return _decision(reports, chosen, "bootstrap", last)


def _forced(reports: Mapping[str, Report], expected: Collection[str], last: Decision | None, force: str) -> Decision | Refusal:
    report = reports.get(force)
    if force not in expected:
        return Refusal(f"{force} cannot be forced: the servers are {_names(expected)}", alert=True)
    if report is None:
        return Refusal(f"{force} cannot be forced: it has not reported that it is stopped", alert=True)
    if report.position.kind not in ("clean", "crashed"):
        return Refusal(f"{force} cannot be forced: its data are {report.position.kind}", alert=True)
    return _decision(reports, force, "forced", last)


def _decision(reports: Mapping[str, Report], pod: str, mode: Mode, last: Decision | None) -> Decision:
    position = reports[pod].position
    considered = json.dumps({p: r.as_json() for p, r in reports.items()}, sort_keys=True)
    return Decision(
        epoch=max([last.epoch if last else 0, *(r.epoch for r in reports.values())]) + 1,
        pod=pod,
        uid=reports[pod].uid,
        uuid=position.uuid,
        seqno=position.seqno,
        mode=mode,
        reports=hashlib.sha256(considered.encode()).hexdigest(),
    )


def _names(pods: Iterable[str]) -> str:
    return ", ".join(sorted(pods, key=lambda pod: (ordinal(pod), pod)))


@dataclass(frozen=True)
class State:
    """What the ConfigMap says. What is not readable there counts as absent: absent reports are waited for."""

    reports: Mapping[str, Report]
    members: frozenset[str]
    decision: Decision | None
    force: str
    version: str

    @classmethod
    def read(cls, config_map: Mapping[str, Any]) -> State:
        """From the object as the API has it."""
        data: Mapping[str, str] = config_map.get("data") or {}
        metadata = config_map["metadata"]
        reports = {key[7:]: _report(key[7:], text) for key, text in data.items() if key.startswith("report.")}
        return cls(
            reports={pod: report for pod, report in reports.items() if report},
            members=frozenset(key[7:] for key in data if key.startswith("member.")),
            decision=_read_decision(data.get("decision", "")),
            force=(metadata.get("annotations") or {}).get(FORCE, ""),
            version=str(metadata.get("resourceVersion", "")),
        )

    @property
    def pending(self) -> Decision | None:
        """The decision that its Pod has not begun to carry out."""
        report = self.reports.get(self.decision.pod) if self.decision else None
        return self.decision if report and self.decision and is_told(report, self.decision) else None


def is_told(report: Report, decision: Decision | None) -> bool:
    """Whether the decision tells the server that has made this report to start."""
    return decision is not None and (decision.pod, decision.uid) == (report.pod, report.uid) and decision.epoch > report.epoch


def _report(pod: str, text: str) -> Report | None:
    try:
        said = json.loads(text)
        position = Position(
            said["class"], str(said["uuid"]), int(said["seqno"]), bool(said["safe_to_bootstrap"]), str(said.get("gtid", ""))
        )
        report = Report(
            pod=pod, uid=str(said["uid"]), position=position, epoch=int(said["epoch"]), time=str(said.get("time", ""))
        )
    except (ValueError, KeyError, TypeError):
        return None
    return report if position.kind in KINDS else None


def _read_decision(text: str) -> Decision | None:
    try:
        return Decision(**json.loads(text))
    except (ValueError, TypeError):
        return None


def coordinate(api: Kube, replicas: int, *, alive: Collection[str] = ()) -> Decision | Refusal:
    """One step of the coordination, by the controller that leads: read, elect, write unless something has changed meanwhile.

    ``replicas`` is that of the StatefulSet, ``alive`` are the Pods that are seen in a running cluster. Returns the decision that
    holds, or why there is none. Raises what :class:`Kube` does, but for a conflict: the next step sees what the other one wrote.
    """
    try:
        config_map = api.get(CONFIG_MAPS, STATE)
    except NotFound:
        return Refusal("no server has reported yet")
    state = State.read(config_map)
    if alive:
        refusal = Refusal(f"{_names(alive)} form a cluster: servers join it, and none starts another", alert=bool(state.force))
        return _written(api, state, None, refusal) if state.force else refusal  # an order is not kept for worse days
    if state.pending and not state.force:
        return state.pending
    expected = [f"{STATEFUL_SET}-{i}" for i in range(replicas)]
    elected = elect(state.reports, expected=expected, members=state.members, last=state.decision, force=state.force)
    if isinstance(elected, Refusal):
        return elected
    return _written(api, state, elected, elected)


def _written(api: Kube, state: State, decision: Decision | None, outcome: Decision | Refusal) -> Decision | Refusal:
    """Take the order off, write the decision if there is one, and return the outcome."""
    body: dict[str, Any] = {"metadata": {"resourceVersion": state.version, "annotations": {FORCE: None}}}
    if decision:
        body["data"] = {"decision": json.dumps(asdict(decision))}
    try:
        api.patch(CONFIG_MAPS, STATE, body)
    except Conflict:
        return Refusal("a server reported or started meanwhile")
    return outcome
