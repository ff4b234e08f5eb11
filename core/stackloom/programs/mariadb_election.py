"""Which server of a Galera cluster starts it, when none of them runs: reports in, a decision out.

Galera joins what runs, but it cannot say which of the servers to start first when all have stopped. A wrong one would lose what
the others have confirmed to clients. So a server that finds no running cluster does not start. It reports what its volume holds
to the ConfigMap ``mariadb-state`` (see mariadb_reports.py), and waits. The controller that leads calls :func:`coordinate` again
and again; whatever it knows is in the ConfigMap, so any controller can go on where another ended.

When all have reported, the newest data are among them. Not all need to report if it can be proven that those who are missing
hold nothing newer. Every server keeps on its volume the members of the last primary view that it was told of, and writes that
down before it lets any transaction of the view be committed (mariadb_view.RECORDER). **The rule**: let V be the view on the
volume with the highest position. If all members of V have reported whole data, whoever else is missing does not matter.

**Why nothing newer can be missing.** Suppose a write was confirmed in a view W that came after V. Of the servers that had whole
data when they were told of a view after V, take the first. Where did it have its data from? Not from another server since V was
formed: a server gives copies in a view only after it was told of that view, so the giver would have been earlier. So it had kept
up until V was formed, and been a member of V: a server outside of V lacks at least the event of V itself, and Galera has it fetch
that from a giver first. But then it has reported, and its volume names a view after V: either V is not the one with the highest
position, because the event of a view is part of the position, or two volumes have the same position. That happens when one
was told of a view and did not come to write it down, so of equals all views count.

All this is said of one cluster, the one that was decided on last. So its history must be that of the data, and who was told to
start it must have reported whole data again, or others must have been in it: their position is beyond where it began.

A server that has only begun to copy may have thrown away what it was told before, so its report proves nothing. A volume whose
data began under another history than its view, or which has no view, proves nothing either: then all must report.

An order to start with a certain server, or from a backup, begins a new history, so that Galera copies all data to the others anew
instead of mixing what differs. Its identifier stands in the decision: if all stop again before they have got that, data of
another history are known to be superseded.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from kube import CONFIG_MAPS, Conflict, Kube, NotFound
from mariadb_reports import (
    FORCE,
    RESTORE,
    RESTORE_FAILED,
    STATE,
    STATEFUL_SET,
    Decision,
    Mode,
    Refusal,
    Report,
    State,
    is_restore_id,
    ordinal,
)

Reports = Mapping[str, Report]


def elect(
    reports: Reports,
    *,
    expected: Collection[str],
    members: Collection[str],
    last: Decision | None,
    force: str = "",
    restore: str = "",
    history: str = "",
) -> Decision | Refusal:
    """Who starts, given what each Pod has reported.

    ``expected`` are all Pods that there should be, ``members`` those that have been part of the cluster, ``last`` is the decision
    before. ``force`` names the Pod that a human wants to start from, ``restore`` what is to be restored, "" for none. ``history``
    is the identifier that a new history gets.
    """
    if force:
        return _forced(reports, expected, last, force, history)
    if restore:
        return _restored(reports, expected, last, restore, history)
    data = _data(reports, last)
    needed = _last_members(data)
    if data and needed is not None and needed <= data.keys() and _is_settled(data, last):
        return _newest(reports, data, expected, last)
    return _with_all(reports, data, needed or set(), expected, members, last, history)


def _with_all(  # noqa: PLR0917
    reports: Reports,
    data: Reports,
    needed: set[str],
    expected: Collection[str],
    members: Collection[str],
    last: Decision | None,
    history: str,
) -> Decision | Refusal:
    """The newest, once everybody has said what it holds."""
    if missing := _names((set(expected) | needed) - set(reports)):
        return Refusal(f"{missing} may run, or hold newer data: nothing starts until all servers have reported")
    if unclear := _names(pod for pod in expected if reports[pod].position.kind == "unknown"):
        return Refusal(f"the data of {unclear} do not say what they are, and may be the newest", alert=True)
    if not data:
        return _beginning(reports, expected, members, last, history)
    known = bool(members) or last is not None
    if lost := _names(p for p in expected if reports[p].position.kind == "empty" and (not known or p in members)):
        return Refusal(f"{lost} lost its disk, which may have held the newest data", alert=True)
    return _newest(reports, data, expected, last)


def _data(reports: Reports, last: Decision | None) -> Reports:
    """The reports of whole data, but for those of a history that an order has ended."""
    data = {pod: r for pod, r in reports.items() if r.position.kind in ("clean", "crashed")}
    begun = last.uuid if last and last.mode in ("forced", "restore") else ""
    return {pod: r for pod, r in data.items() if r.position.uuid == begun} or data


def _last_members(data: Reports) -> set[str] | None:
    """Who must have reported whole data so that nothing newer can be missing; None if volumes do not say that."""
    newest = max((r.position.seqno for r in data.values()), default=None)
    views = [(r.view, r.position.uuid) for r in data.values() if r.position.seqno == newest]
    known = [view.members for view, history in views if view and view.uuid == history]
    if not known or len(known) < len(views) or any(r.position.seqno < 0 for r in data.values()):
        return None
    return set().union(*known)


def _is_settled(data: Reports, last: Decision | None) -> bool:
    """Whether these are data of the cluster that was decided on last: who was to start it has stopped, or others were in it."""
    if last is None:
        return True
    return any(r.position.uuid == last.uuid and (last.pod in data or r.position.seqno > last.seqno) for r in data.values())


def _beginning(
    reports: Reports, expected: Collection[str], members: Collection[str], last: Decision | None, history: str
) -> Decision | Refusal:
    """The first Pod makes new data, if there have never been any."""
    if copies := _names(pod for pod in expected if reports[pod].position.kind == "partial"):
        return Refusal(f"no server has data: {copies} have unfinished copies only; restore a backup", alert=True)
    if members:
        return Refusal(f"no server has data, but {_names(members)} had: restore the disks or a backup", alert=True)
    return _decision(reports, min(expected, key=ordinal), "new", last, history=history)


def _newest(reports: Reports, data: Reports, expected: Collection[str], last: Decision | None) -> Decision | Refusal:
    """The Pod with the newest data. A Pod above the number of replicas does not start, but its data count."""
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


def _forced(reports: Reports, expected: Collection[str], last: Decision | None, force: str, history: str) -> Decision | Refusal:
    report = reports.get(force)
    if force not in expected:
        return Refusal(f"{force} cannot be forced: the servers are {_names(expected)}", alert=True)
    if report is None:
        return Refusal(f"{force} cannot be forced: it has not reported that it is stopped", alert=True)
    if report.position.kind not in ("clean", "crashed"):
        return Refusal(f"{force} cannot be forced: its data are {report.position.kind}", alert=True)
    return _decision(reports, force, "forced", last, history=history)


def _restored(
    reports: Reports, expected: Collection[str], last: Decision | None, restore: str, history: str
) -> Decision | Refusal:
    """The first Pod gets the restored data once nothing runs, whatever the volumes hold."""
    if running := _names(set(expected) - set(reports)):
        return Refusal(f"{restore} is restored when all servers have stopped: {running} did not report that yet")
    return _decision(reports, min(expected, key=ordinal), "restore", last, history=history, restore=restore)


def _decision(reports: Reports, pod: str, mode: Mode, last: Decision | None, *, history: str = "", restore: str = "") -> Decision:
    position = reports[pod].position
    considered = json.dumps({p: r.as_json() for p, r in reports.items()}, sort_keys=True)
    return Decision(
        epoch=max([last.epoch if last else 0, *(r.epoch for r in reports.values())]) + 1,
        pod=pod,
        uid=reports[pod].uid,
        uuid=history or position.uuid,
        seqno=0 if history else position.seqno,
        mode=mode,
        reports=hashlib.sha256(considered.encode()).hexdigest(),
        restore=restore,
    )


def _names(pods: Iterable[str]) -> str:
    return ", ".join(sorted(pods, key=lambda pod: (ordinal(pod), pod)))


def coordinate(api: Kube, replicas: int, *, alive: Collection[str] = (), silent: Collection[str] = ()) -> Decision | Refusal:
    """One step of the coordination, by the controller that leads: read, elect, write unless something has changed meanwhile.

    ``replicas`` is that of the StatefulSet, ``alive`` are the Pods that are seen in a running cluster, ``silent`` those that
    Kubernetes believes to be ready, and that do not answer: one whose node is lost looks so at first, and one that is cut off
    from here. What is elected is proven, whatever they are; an order that ends their history must wait until it is known.

    Returns the decision that holds, or why there is none. Raises what :class:`Kube` does, but for a conflict: the next step sees
    what the other one wrote.
    """
    try:
        config_map = api.get(CONFIG_MAPS, STATE)
    except NotFound:
        return Refusal("no server has reported yet")
    state = State.read(config_map)
    if refusal := _obstacle(state, alive, silent):
        # An order to start is not kept for worse days. One to restore is: the servers stop for it.
        withdrawn: dict[str, str | None] = {FORCE: None} if state.force and alive else {}
        if not is_restore_id(state.restore or "-"):
            withdrawn = {RESTORE: None, RESTORE_FAILED: refusal.reason}
        return _written(api, state, withdrawn, None, refusal) if withdrawn else refusal
    if state.pending and not state.force and not state.restore:
        return state.pending
    expected = [f"{STATEFUL_SET}-{i}" for i in range(replicas)]
    elected = elect(
        state.reports,
        expected=expected,
        members=state.members,
        last=state.decision,
        force=state.force,
        restore=state.restore,
        history=str(uuid.uuid4()),
    )
    if isinstance(elected, Refusal):
        return elected
    done = {FORCE: None} if state.force else {RESTORE: None, RESTORE_FAILED: None} if state.restore else {}
    return _written(api, state, done, elected, elected)


def _obstacle(state: State, alive: Collection[str], silent: Collection[str]) -> Refusal | None:
    """Why there is nothing to elect, whatever the servers hold."""
    if not is_restore_id(state.restore or "-"):
        return Refusal("what is to be restored must be named with up to 63 of a-z, 0-9 and -", alert=True)
    if alive:
        return Refusal(f"{_names(alive)} form a cluster: servers join it, and none starts another", alert=bool(state.force))
    if (state.force or state.restore) and (unknown := _names(set(silent) - set(state.reports))):
        return Refusal(f"{unknown} is ready as far as Kubernetes knows, and does not answer: the order waits until that is clear")
    return None


def _written(
    api: Kube, state: State, notes: Mapping[str, str | None], decision: Decision | None, outcome: Decision | Refusal
) -> Decision | Refusal:
    """Write the annotations, and the decision if there is one, and return the outcome."""
    body: dict[str, Any] = {"metadata": {"resourceVersion": state.version, "annotations": dict(notes)}}
    if decision:
        body["data"] = {"decision": json.dumps(asdict(decision))}
    try:
        api.patch(CONFIG_MAPS, STATE, body)
    except Conflict:
        return Refusal("a server reported or started meanwhile")
    return outcome
