"""One of several equal processes leads, by a Lease of the Kubernetes API.

The leader writes the Lease again and again. When it has not been able to for two thirds of the Lease's time it leads no more, and
after the whole time another takes over. No two clocks are compared: each process waits for as long, by its own clock, as it has
seen no change. A process that was stopped may still send what it was about to send when it stopped, so what must never be done
by two needs more than this: see ``mariadb_roles.py``.

The Role needs create on leases, and get and update on this one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from kube import LEASES, Conflict, Kube, NotFound, Object
from program import say


def clock() -> float:
    """Seconds that pass for a process, also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Lease:
    """The Lease ``name`` as the process ``holder`` takes part in it; it is valid for ``seconds`` after each time it is written.

    Call ``step()`` every ``pause`` seconds. ``term`` rises whenever this process becomes the leader.
    """

    api: Kube
    name: str
    holder: str
    seconds: int = 15
    term: int = 0
    _leads_until: float = 0.0
    _seen: Object = field(default_factory=dict)
    _seen_at: float = 0.0
    _released: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pause(self) -> float:
        """How long to wait between two steps, in seconds."""
        return self.seconds * 2 / 15

    def leads(self) -> bool:
        """Whether this process is the leader now."""
        return clock() < self._leads_until

    def step(self) -> None:
        """Stay the leader, or become it where there is none. Raises ApiError where the API does not answer or refuses."""
        with self._lock:
            if not self._released:
                self._step()

    def _step(self) -> None:
        started, led = clock(), self.leads()
        try:
            current = self.api.get(LEASES, self.name)
        except NotFound:
            current = {}
        if current != self._seen:
            self._seen, self._seen_at = current, started
        spec = current.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self.holder) and started < self._seen_at + (spec.get("leaseDurationSeconds") or self.seconds):
            self._follow(holder)
            return
        try:
            self._write(current, self._claim(spec))
        except Conflict:
            return  # another was faster; the next step sees who
        # From before the request was sent: others count from after it arrived.
        self._leads_until = started + self.seconds * 2 / 3
        if not led:
            self.term += 1
            say(f"leading, for the {self.term}. time")

    def release(self) -> None:
        """Lead no more, and let another lead at once. Raises ApiError."""
        with self._lock:
            self._released, self._leads_until = True, 0.0
            current = self.api.get(LEASES, self.name)
            if current["spec"].get("holderIdentity") == self.holder:
                self._write(current, {**current["spec"], "holderIdentity": ""})

    def _follow(self, holder: str) -> None:
        if self.leads():
            say(f"{holder} has taken over")
        self._leads_until = 0.0

    def _claim(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        moment = datetime.now(timezone.utc)  # noqa: UP017  # Python 3.10
        now = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        changes = spec.get("holderIdentity") != self.holder
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.seconds,
            "acquireTime": now if changes else spec.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": (spec.get("leaseTransitions") or 0) + changes,
        }

    def _write(self, current: Object, spec: Mapping[str, Any]) -> None:
        if current:
            self.api.replace(LEASES, {**current, "spec": spec})
        else:
            self.api.create(LEASES, {"metadata": {"name": self.name}, "spec": spec})
