"""What servers of a Galera cluster report of their volumes, and what is decided: the contents of the ConfigMap ``mariadb-state``.

All keys of it hold JSON:

- ``report.<pod>``: a Report. It stands for a promise: MariaDB is stopped there, and stays so until the report is deleted.
- ``member.<pod>``: the server has been part of the cluster. If it comes without data, a disk was lost.
- ``decision``: the last Decision. Its Pod obeys it, and nobody else.

Annotations are the orders of a human, each taken off when it is carried out or refused:

- ``stackloom.io/force-bootstrap: <pod>``: start with that server, although others may hold what it does not;
- ``stackloom.io/restore: <id>``: stop all servers, and start with what a backup of this id has restored;
- ``stackloom.io/restore-failed``: not an order, but why the last one to restore was not carried out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mariadb_view import View
from mariadb_volume import KINDS, Position

STATE = "mariadb-state"
STATEFUL_SET = "mariadb-server"
FORCE = "stackloom.io/force-bootstrap"
RESTORE = "stackloom.io/restore"
RESTORE_FAILED = "stackloom.io/restore-failed"
_RESTORE_ID = re.compile(r"[a-z0-9-]{1,63}")

Mode = Literal["new", "bootstrap", "forced", "restore"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one server says of its volume: its position, and the last view of the cluster that it has been told of.

    ``epoch`` is that of the last decision it has seen, ``time`` is for readers.
    """

    pod: str
    uid: str
    position: Position
    view: View | None = None
    epoch: int = 0
    time: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it stands in the ConfigMap."""
        position = asdict(self.position)
        view = {"uuid": self.view.uuid, "members": sorted(self.view.members)} if self.view else None
        return {
            "uid": self.uid,
            "class": position.pop("kind"),
            **position,
            "view": view,
            "epoch": self.epoch,
            "time": self.time,
        }


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who starts the cluster: with nothing (``new``), from its data (``bootstrap``, ``forced``), from a backup (``restore``).

    It holds for the Pod of this uid, and for what that had reported when it was made: ``reports`` is a hash of all of them.
    ``uuid`` and ``seqno`` are where the cluster begins: at 0 of a new history, unless it goes on from its data. ``restore`` is
    the id of what is restored.
    """

    epoch: int
    pod: str
    uid: str
    uuid: str
    seqno: int
    mode: Mode
    reports: str
    restore: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why nobody is to start. With ``alert`` it stays so until somebody does something."""

    reason: str
    alert: bool = False


def ordinal(pod: str) -> int:
    """The number at the end of a Pod's name: -1 if there is none."""
    number = pod.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def is_told(report: Report, decision: Decision | None) -> bool:
    """Whether the decision tells the server that has made this report to start."""
    return decision is not None and (decision.pod, decision.uid) == (report.pod, report.uid) and decision.epoch > report.epoch


def is_restore_id(text: str) -> bool:
    """Whether this may name what is to be restored."""
    return _RESTORE_ID.fullmatch(text) is not None


@dataclass(frozen=True)
class State:
    """What the ConfigMap says. What is not readable there counts as absent: absent reports are waited for."""

    reports: Mapping[str, Report]
    members: frozenset[str]
    decision: Decision | None
    force: str
    restore: str
    version: str

    @classmethod
    def read(cls, config_map: Mapping[str, Any]) -> State:
        """From the object as the API has it."""
        data: Mapping[str, str] = config_map.get("data") or {}
        metadata = config_map["metadata"]
        orders = metadata.get("annotations") or {}
        reports = {key[7:]: _report(key[7:], text) for key, text in data.items() if key.startswith("report.")}
        return cls(
            reports={pod: report for pod, report in reports.items() if report},
            members=frozenset(key[7:] for key in data if key.startswith("member.")),
            decision=_decision(data.get("decision", "")),
            force=orders.get(FORCE, ""),
            restore=orders.get(RESTORE, ""),
            version=str(metadata.get("resourceVersion", "")),
        )

    @property
    def pending(self) -> Decision | None:
        """The decision that its Pod has not begun to carry out."""
        report = self.reports.get(self.decision.pod) if self.decision else None
        return self.decision if report and self.decision and is_told(report, self.decision) else None


def _report(pod: str, text: str) -> Report | None:
    try:
        said = json.loads(text)
        position = Position(
            said["class"], str(said["uuid"]), int(said["seqno"]), bool(said["safe_to_bootstrap"]), str(said.get("gtid", ""))
        )
        view = said.get("view")
        report = Report(
            pod=pod,
            uid=str(said["uid"]),
            position=position,
            view=View(str(view["uuid"]), frozenset(map(str, view["members"]))) if view else None,
            epoch=int(said["epoch"]),
            time=str(said.get("time", "")),
        )
    except (ValueError, KeyError, TypeError):
        return None
    return report if position.kind in KINDS else None


def _decision(text: str) -> Decision | None:
    try:
        return Decision(**json.loads(text))
    except (ValueError, TypeError):
        return None
