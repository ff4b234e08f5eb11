"""A Pod as its kubelet runs it: volumes, init containers one after the other, containers, probes, restarts, its status."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.real.boot.container import Container
from tests.real.boot.probes import Probe
from tests.real.boot.resolve import NotThereError
from tests.real.boot.volumes import Volumes
from tests.real.cluster import Object

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
REFRESH_SECONDS, LONGEST_DELAY = 1.0, 10.0


@dataclass
class Running:
    """A container of the Pod with its probes; ``ready_after`` in seconds since the Pod was made, None until it is."""

    container: Container
    probes: dict[str, Probe] = field(default_factory=dict)
    restarts: int = 0
    ready_after: float | None = None
    _again: float = 0.0

    def start(self, address: str) -> None:
        """Start the container, whose probes have no past then."""
        self.probes = {k: Probe(self.container, self.container.body[k], address) for k in PROBES if self.container.body.get(k)}
        self.container.start()

    def restart_when_due(self, address: str) -> None:
        """Start the container again; the more often that has happened, the longer it waits."""
        if not self._again:
            self._again = time.monotonic() + min(2.0**self.restarts, LONGEST_DELAY)
        elif time.monotonic() >= self._again:
            self._again, self.restarts = 0.0, self.restarts + 1
            self.start(address)

    def step(self, executor: Executor) -> None:
        """Ask the probes: the startup probe first, and the others when it has passed."""
        startup = self.probes.get("startupProbe")
        if startup and startup.passes is not True:
            startup.step(executor)
            if startup.passes is False:
                self.container.kill()
            return
        for kind in ("readinessProbe", "livenessProbe"):
            if probe := self.probes.get(kind):
                probe.step(executor)
        if (alive := self.probes.get("livenessProbe")) and alive.passes is False:
            self.container.kill()

    def is_ready(self) -> bool:
        """Whether it takes requests."""
        if self.container.ended() is not None or self.container.process is None:
            return False
        decisive = [self.probes[kind] for kind in ("startupProbe", "readinessProbe") if kind in self.probes]
        return all(probe.passes for probe in decisive)


@dataclass(repr=False)
class Pod:
    """A Pod of the API that runs here. ``make`` makes its containers, once what they refer to is there."""

    body: Object
    address: str
    volumes: Volumes
    make: Callable[[Object, Pod], Container | None]
    made: float = field(default_factory=time.monotonic)
    phase: str = "Pending"
    waits_for: str = ""
    gated: float | None = None
    ended_after: float | None = None
    initial: dict[str, Running] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    _refreshed: float = 0.0
    _mounted: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def owner(self) -> str:
        """The name of the workload that it belongs to."""
        return str(self.body["metadata"]["ownerReferences"][0]["name"])

    def step(self, executor: Executor) -> None:
        """Do what there is to do now, without waiting."""
        if self.phase in ("Succeeded", "Failed"):
            return
        try:
            self._step(executor)
        except NotThereError as missing:
            self.waits_for = str(missing)
        else:
            self.waits_for = ""

    def _step(self, executor: Executor) -> None:
        if time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            self._mounted, self._refreshed = False, time.monotonic()
        if not self._mounted:
            self.volumes.write()
            self._mounted = True
        if not self._initialised():
            return
        for body in self.body["spec"]["containers"]:
            if body["name"] not in self.running and (container := self.make(body, self)):
                self.running[body["name"]] = one = Running(container)
                one.start(self.address)
        self.phase = "Running"
        for one in self.running.values():
            self._look_after(one, executor)
        policy = self.body["spec"].get("restartPolicy", "Always")
        ends = [one.container.ended() for one in self.running.values()]
        if policy != "Always" and all(status == 0 for status in ends):
            self.phase, self.ended_after = "Succeeded", self.age()
        elif policy == "Never" and None not in ends:
            self.phase, self.ended_after = "Failed", self.age()

    def _initialised(self) -> bool:
        for body in self.body["spec"].get("initContainers") or ():
            one = self.initial.get(body["name"])
            if one is None:
                container = self.make(body, self)
                if container is None:
                    raise NotImplementedError(f"Pod {self.name}: nothing stands in for its init container {body['name']}")
                self.initial[body["name"]] = one = Running(container)
                one.start(self.address)
            if (status := one.container.ended()) is None:
                return False
            if status != 0 and self.body["spec"].get("restartPolicy") == "Never":
                self.phase, self.ended_after = "Failed", self.age()
                return False
            if status != 0:
                one.restart_when_due(self.address)
                return False
        self.gated = self.age() if self.gated is None else self.gated
        return True

    def _look_after(self, one: Running, executor: Executor) -> None:
        policy, status = self.body["spec"].get("restartPolicy", "Always"), one.container.ended()
        if status is None:
            one.step(executor)
            if one.ready_after is None and one.is_ready():
                one.ready_after = self.age()
        elif policy == "Always" or (policy == "OnFailure" and status != 0):
            one.restart_when_due(self.address)

    def age(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.made

    def is_ready(self) -> bool:
        """Whether all its containers take requests."""
        return self.phase == "Running" and bool(self.running) and all(one.is_ready() for one in self.running.values())

    def is_done(self) -> bool:
        """Whether it has come to where it was to come: to taking requests, to a good end, or to any if it has one try."""
        match self.body["spec"].get("restartPolicy", "Always"):
            case "Always":
                return self.is_ready()
            case "Never":
                return self.phase in ("Succeeded", "Failed")
        return self.phase == "Succeeded"

    def status(self) -> Object:
        """What a kubelet reports."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {"Ready": self.is_ready(), "Initialized": self.gated is not None}
        conditions = [{"type": kind, "status": str(true), "lastTransitionTime": now} for kind, true in told.items()]
        ip = {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        return {"phase": self.phase, **ip, "conditions": conditions}

    def everything(self) -> list[Running]:
        """All its containers that have been started, in their order."""
        return [*self.initial.values(), *self.running.values()]

    def kill(self) -> None:
        """End all its containers."""
        for one in self.everything():
            one.container.kill()

    def said(self, lines: int = 40) -> str:
        """What its containers wrote last."""
        tails = (
            f"-- {one.container.name}\n" + "\n".join(one.container.said().splitlines()[-lines:]) for one in self.everything()
        )
        return "\n".join([f"== {self.name}: {self.phase}; {self.waits_for}", *tails])


def directory_of(folder: Path, body: Object) -> Path:
    """Where a Pod has its files."""
    return folder / "pods" / str(body["metadata"]["name"])
