"""What a MariaDB server writes to the ConfigMap ``mariadb-state``: its report, its membership, what became of an order."""

from __future__ import annotations

import json
import time
from typing import Any

from kube import CONFIG_MAPS, Kube, NotFound, Unavailable
from mariadb_options import Settings
from mariadb_reports import RESTORE, RESTORE_FAILED, STATE, Report, State
from mariadb_volume import Position, Volume, mark, unmark


class Registry:
    """The ConfigMap, as the server of these settings writes to it. Every method raises what :class:`Kube` does."""

    def __init__(self, settings: Settings, api: Kube, volume: Volume) -> None:
        self._settings = settings
        self._api = api
        self._volume = volume

    def state(self) -> State:
        """What the ConfigMap says; made here if nobody has needed it before."""
        try:
            return State.read(self._api.get(CONFIG_MAPS, STATE))
        except NotFound:
            return State.read(self._api.create(CONFIG_MAPS, {"metadata": {"name": STATE}}))

    def publish(self, position: Position, state: State) -> Report:
        """Report what the volume holds. From now on, until the report is deleted, MariaDB does not run here."""
        mark(self._volume.reported)
        report = Report(
            pod=self._settings.pod,
            uid=self._settings.uid,
            position=position,
            view=self._volume.view(position),
            epoch=state.decision.epoch if state.decision else 0,
            time=_now(),
        )
        self._write({f"report.{report.pod}": json.dumps(report.as_json())}, {"resourceVersion": state.version})
        return report

    def withdraw(self, position: Position) -> None:
        """Delete this server's report, as MariaDB is about to start.

        Without the API it may start only if there is certainly none, which a volume with data of its own can tell.
        """
        try:
            self.delete_report()
        except NotFound:
            unmark(self._volume.reported)
        except Unavailable:
            if self._volume.reported.exists() or position.kind not in ("clean", "crashed"):
                raise

    def delete_report(self, version: str | None = None) -> None:
        """Delete the report; Conflict if the ConfigMap is not of this ``version`` any more, so another decision may hold."""
        self._write({f"report.{self._settings.pod}": None}, {"resourceVersion": version} if version else {})
        unmark(self._volume.reported)

    def register(self, history: str) -> None:
        """Note that this server's volume counts from now on. Clients are let in only then, at least the first time."""
        self.state()
        self._write({f"member.{self._settings.pod}": json.dumps({"uuid": history, "time": _now()})}, {})
        mark(self._volume.member)

    def refuse_restore(self, reason: str) -> None:
        """Take the order to restore off, if it stands, and say why it was not carried out."""
        self._write({}, {"annotations": {RESTORE: None, RESTORE_FAILED: reason}})

    def _write(self, data: dict[str, str | None], metadata: dict[str, Any]) -> None:
        self._api.patch(CONFIG_MAPS, STATE, {"metadata": metadata, "data": data})


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
