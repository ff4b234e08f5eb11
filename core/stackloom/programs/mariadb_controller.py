"""Says which server of the database takes the writes, and which one starts a cluster that has stopped: ``mariadb_controller.py``.

Any number of these run, and one of them leads, by the Lease ``mariadb-controller``. It looks at the servers' Pods when one of
them changes, when an agent says something new, and every few seconds anyway, and writes what ``mariadb_roles.decide`` says. The
agents know that a server is gone long before Kubernetes does; without them the readiness of the Pods decides. In the same round
``mariadb_election.coordinate`` says who starts when no server runs.

As long as the API does not answer, labels stay what they are, and so does this process: it never ends for that, because a
restart would only keep it from going on. It serves ``/metrics``, ``/healthz`` (no thread is stuck, whatever the API does) and
``/readyz`` (its account may do all that it will have to) on HTTP_PORT (8080).

POD_NAME must say who it is. AGENT_PORT (8081) is where a server's agent listens, 0 if there are none. LEASE_SECONDS (15) is how
long a leader may be silent. The Role must allow what :func:`needs` lists.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from http import HTTPStatus

import mariadb_election
from kube import (
    CONFIG_MAPS,
    EVENTS,
    LEASES,
    PODS,
    STATEFUL_SETS,
    ApiError,
    Conflict,
    Forbidden,
    Kube,
    NotFound,
    Object,
    Resource,
    Unavailable,
)
from lease import Lease
from mariadb_agents import Agents
from mariadb_reports import STATE, Decision, Refusal
from mariadb_roles import (
    PRIMARY,
    SELECTOR,
    STATEFUL_SET,
    Drain,
    Pod,
    Snapshot,
    Write,
    chosen,
    decide,
    obstacle,
    pod_of,
    primary_component,
    serves,
)
from monitoring import Metrics, serve
from program import Failure, environment, run, say

LEASE = "mariadb-controller"
_SERVERS: Object = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": STATEFUL_SET}
API_SECONDS = 3.0
SETTLED_SECONDS = 5.0
UNSETTLED_SECONDS = 1.0
CONFLICT_SECONDS = 0.05
WATCH_SECONDS = 20
ASK_SECONDS = 1.0
RIGHTS_SECONDS = 30.0
LACKING_SECONDS = 5.0
# A thread that has not come round for as long as this is stuck: the longest waits are those for the API.
STUCK_SECONDS = 90.0

METRICS = {
    "mariadb_controller_leads": "1 if this process leads.",
    "mariadb_controller_primaries": "Pods with the role primary.",
    "mariadb_controller_eligible": "Pods that could have the role primary.",
    "mariadb_controller_no_candidate": "1 if no Pod could: clients stay where they are, or have nowhere to go.",
    "mariadb_controller_primary": "1 for the Pod that has the role primary.",
    "mariadb_controller_last_round_timestamp_seconds": "When the Pods were looked at last.",
    "mariadb_controller_switches_total": "How often the role was given, by why the former Pod lost it.",
    "mariadb_controller_switch_seconds_sum": "Seconds from when a Pod was seen that should have the role to when it had it.",
    "mariadb_controller_switch_seconds_count": "Switches that the sum is of.",
    "mariadb_controller_drains_total": "How often the clients of a former primary were sent away.",
    "mariadb_controller_conflicts_total": "Writes that failed because the object had been changed.",
    "mariadb_controller_api_errors_total": "Requests that the Kubernetes API did not fulfil, by kind.",
    "mariadb_controller_missing_permissions": "Things that the Role should allow and does not.",
    "mariadb_controller_recovery_refused": "1 if no server may start the cluster until somebody does something.",
}


def needs(replicas: int) -> Iterator[tuple[str, Resource, str]]:
    """What the account must be allowed to: verb, resource, and the name of the one object ("": any of the namespace)."""
    yield from ((verb, PODS, "") for verb in ("list", "watch"))
    yield from (("patch", PODS, f"{STATEFUL_SET}-{number}") for number in range(replicas))
    yield ("get", STATEFUL_SETS, STATEFUL_SET)
    yield from (("create", LEASES, ""), ("get", LEASES, LEASE), ("update", LEASES, LEASE))
    yield from ((verb, CONFIG_MAPS, STATE) for verb in ("get", "patch"))
    yield ("create", EVENTS, "")


class Controller:
    """One of the processes, called ``name``."""

    def __init__(self, api: Kube, name: str, *, agent_port: int, lease_seconds: int) -> None:
        self.api = replace(api, timeout=API_SECONDS)
        self.name = name
        self.lease = Lease(self.api, LEASE, name, lease_seconds)
        self.metrics = Metrics(METRICS)
        self.agents = Agents(agent_port, self.wake) if agent_port else None
        self._woken = threading.Event()
        self._pods: list[Pod] = []
        self._fence = ""
        self._fence_of_term = 0
        self._failures = 0
        self._unfit_since: float | None = None
        self._why = ""
        self._lacking: list[str] | None = None
        self._said: dict[str, str] = {}
        self._beats: dict[str, float] = {}
        self._broken: BaseException | None = None
        self._events = ThreadPoolExecutor(1)

    def run(self, port: int) -> None:
        """Go on until the process is told to end, and let another lead then. Raises whatever a thread did not foresee."""
        serve(port, {"/metrics": self._metrics_page, "/healthz": self._health_page, "/readyz": self._ready_page})
        self._start("lease", self._keep_lease)
        self._start("watch", self._watch)
        self._start("rights", self._check_rights)
        if self.agents:
            self._start("agents", self._ask_agents)
        try:
            while self._broken is None:
                self._beats["rounds"] = time.monotonic()
                self._woken.wait(self._round())
                self._woken.clear()
            raise self._broken
        finally:
            try:
                self.lease.release()
            except ApiError as error:
                say(f"the Lease was not released: {error}")

    def wake(self) -> None:
        """Look at the Pods at once."""
        self._woken.set()

    # The threads. Each does one thing again and again, and says how long it pauses then.

    def _start(self, name: str, step: Callable[[], float]) -> None:
        def loop() -> None:
            try:
                while True:
                    self._beats[name] = time.monotonic()
                    time.sleep(self._guarded(name, step))
            except BaseException as error:  # noqa: BLE001
                self._broken = error
                self.wake()

        self._beats[name] = time.monotonic()
        threading.Thread(target=loop, name=name, daemon=True).start()

    def _guarded(self, name: str, step: Callable[[], float]) -> float:
        try:
            pause = step()
        except ApiError as error:
            self._note(name, error)
            return UNSETTLED_SECONDS
        self._say_once(name, "")
        return pause

    def _keep_lease(self) -> float:
        term = self.lease.term
        self.lease.step()
        if self.lease.term != term:
            self.wake()
        return self.lease.pause

    def _watch(self) -> float:
        for _ in self.api.watch(PODS, SELECTOR, seconds=WATCH_SECONDS):
            self.wake()
        return 0.0

    def _ask_agents(self) -> float:
        started = time.monotonic()
        if self.agents and self.lease.leads():
            self.agents.ask(self._pods)
        return max(0.0, started + ASK_SECONDS - time.monotonic())

    def _check_rights(self) -> float:
        try:
            replicas = self._replicas()
        except (Forbidden, NotFound):
            replicas = 0
        wanted = list(needs(replicas))
        self._lacking = [f"{verb} {of.plural} {name}".rstrip() for verb, of, name in wanted if not self.api.may(verb, of, name)]
        self.metrics.set("mariadb_controller_missing_permissions", len(self._lacking))
        self._say_once("permissions", f"the Role lacks: {', '.join(self._lacking)}" if self._lacking else "the Role suffices")
        return LACKING_SECONDS if self._lacking else RIGHTS_SECONDS

    # One round: look, decide, write.

    def _round(self) -> float:
        """Look and write, if this process leads; how long to wait until the next time, in seconds."""
        if not self.lease.leads():
            return SETTLED_SECONDS
        try:
            pause = self._settle()
        except Conflict:
            self.metrics.add("mariadb_controller_conflicts_total")
            return CONFLICT_SECONDS
        except ApiError as error:
            self._note("rounds", error)
            self._failures += 1
            return min(2.0, 0.1 * 2.0 ** min(self._failures, 8)) * random.uniform(0.5, 1.0)  # noqa: S311
        self._failures = 0
        self._say_once("rounds", "")
        return pause

    def _settle(self) -> float:
        snapshot = self._look()
        choice = chosen(snapshot)
        self._measure(snapshot, choice)
        wrote = [self._do(action, snapshot) for action in decide(snapshot) if self.lease.leads()]
        if any(wrote):
            return 0.0
        self._coordinate(snapshot)
        return SETTLED_SECONDS if choice and choice.role == PRIMARY else UNSETTLED_SECONDS

    def _look(self) -> Snapshot:
        if self.lease.term != self._fence_of_term:
            self._new_fence()
        replicas = self._replicas()
        self._pods = [pod_of(body) for body in self.api.find(PODS, SELECTOR)]
        return Snapshot(replicas, self._pods, self._fence, self.agents.answers() if self.agents else {})

    def _replicas(self) -> int:
        return int(self.api.get(STATEFUL_SETS, STATEFUL_SET)["spec"]["replicas"])

    def _new_fence(self) -> None:
        self._fence, self._fence_of_term = f"{self.name}-{secrets.token_hex(6)}", self.lease.term

    def _do(self, action: Write | Drain, snapshot: Snapshot) -> bool:
        """Do it; whether the API's objects changed. Raises ApiError: then nothing that was to follow may be done."""
        if isinstance(action, Drain) and not self._drained(action.pod):
            return False
        try:
            self.api.patch(PODS, action.pod.name, action.body(snapshot.fence))
        except NotFound:
            return True  # gone, and its role with it
        except Unavailable:
            self._new_fence()  # the request may be under way still
            raise
        if isinstance(action, Write):
            self._report(action)
        return True

    def _drained(self, pod: Pod) -> bool:
        """Whether its clients have been sent away; the agent is asked to if it was not. Without agents there is nobody to ask."""
        failure = self.agents.drain(pod) if self.agents else ""
        if failure:
            self._say_once(f"drain {pod.name}", f"the clients of {pod.name} were not sent away: {failure}")
        elif failure == "" and self.agents:
            self.metrics.add("mariadb_controller_drains_total")
            say(f"sent the clients of {pod.name} away")
        return failure == ""

    def _coordinate(self, snapshot: Snapshot) -> None:
        ready = [pod for pod in snapshot.pods if serves(pod, snapshot)]
        silent = {pod.name for pod in ready if self.agents and pod.uid not in snapshot.answers}
        alive = primary_component(snapshot) | {pod.name for pod in ready} - silent
        outcome = mariadb_election.coordinate(self.api, snapshot.replicas, alive=alive, silent=silent)
        refused = isinstance(outcome, Refusal) and outcome.alert
        self.metrics.set("mariadb_controller_recovery_refused", refused)
        if isinstance(outcome, Decision):
            self._say_once("recovery", f"decision {outcome.epoch}: {outcome.pod} starts the cluster ({outcome.mode})")
        elif (
            self._say_once("recovery", "" if alive and not refused else f"nobody starts the cluster: {outcome.reason}")
            and refused
        ):
            self._event(_SERVERS, "RecoveryRefused", f"Nobody starts the cluster: {outcome.reason}")

    # What is told: log, figures, events.

    def _measure(self, snapshot: Snapshot, choice: Pod | None) -> None:
        holders = [pod.name for pod in snapshot.pods if pod.role == PRIMARY]
        obstacles = {pod.name: obstacle(pod, snapshot) for pod in snapshot.pods}
        self.metrics.set("mariadb_controller_primaries", len(holders))
        self.metrics.set_all("mariadb_controller_primary", "pod", dict.fromkeys(holders, 1))
        self.metrics.set("mariadb_controller_eligible", list(obstacles.values()).count(""))
        self.metrics.set("mariadb_controller_no_candidate", choice is None)
        self.metrics.set("mariadb_controller_last_round_timestamp_seconds", time.time())
        if choice is None or choice.role == PRIMARY:
            self._unfit_since = None
        elif self._unfit_since is None:
            self._unfit_since = time.monotonic()
        told = "; ".join(f"{name}: {why}" for name, why in sorted(obstacles.items())) or "there are no Pods"
        if self._say_once("candidates", f"no Pod can be the primary: {told}" if choice is None else "") and choice is None:
            self._event(_SERVERS, "NoPrimaryPossible", f"No Pod can be the primary: {told}")

    def _report(self, action: Write) -> None:
        pod = action.pod
        if pod.role == PRIMARY and action.role != PRIMARY:
            self._why = action.reason
            say(f"{pod.name} is the primary no longer: {action.reason}")
        if action.role == PRIMARY and pod.role != PRIMARY:
            why, self._why = self._why or "there was none", ""
            seconds = time.monotonic() - (self._unfit_since or time.monotonic())
            self.metrics.add("mariadb_controller_switches_total", reason=why)
            self.metrics.add("mariadb_controller_switch_seconds_sum", seconds)
            self.metrics.add("mariadb_controller_switch_seconds_count")
            about = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
            say(f"{pod.name} is the primary, {seconds:.3f} s after it was needed")
            self._event(about, "BecamePrimary", f"{pod.name} takes the writes. The former primary: {why}")

    def _event(self, about: Object, reason: str, message: str) -> None:
        body = event(self.api.namespace, about, reason, message)

        def create() -> float:
            self.api.create(EVENTS, body)
            return 0.0

        self._events.submit(self._guarded, "events", create)

    def _note(self, source: str, error: ApiError) -> None:
        self.metrics.add("mariadb_controller_api_errors_total", kind=type(error).__name__)
        self._say_once(source, str(error))

    def _say_once(self, about: str, text: str) -> bool:
        """Say it if it is not what was said of this last; whether that was so."""
        if self._said.get(about, "") == text:
            return False
        self._said[about] = text
        if text:
            say(text)
        return True

    def _metrics_page(self) -> tuple[HTTPStatus, str]:
        self.metrics.set("mariadb_controller_leads", self.lease.leads())
        return HTTPStatus.OK, self.metrics.text()

    def _health_page(self) -> tuple[HTTPStatus, str]:
        stuck = sorted(name for name, at in list(self._beats.items()) if time.monotonic() - at > STUCK_SECONDS)
        return (HTTPStatus.INTERNAL_SERVER_ERROR, f"stuck: {', '.join(stuck)}\n") if stuck else (HTTPStatus.OK, "ok\n")

    def _ready_page(self) -> tuple[HTTPStatus, str]:
        if self._lacking is None:
            return HTTPStatus.SERVICE_UNAVAILABLE, "the Kubernetes API has not said yet what this account may do\n"
        if self._lacking:
            return HTTPStatus.SERVICE_UNAVAILABLE, f"the Role lacks: {', '.join(self._lacking)}\n"
        return HTTPStatus.OK, "ok\n"


def event(namespace: str, about: Object, reason: str, message: str) -> Object:
    """An Event about an object, as ``kubectl describe`` shows it there."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")  # noqa: UP017  # Python 3.10
    return {
        "metadata": {"generateName": f"{about['name']}."},
        "involvedObject": {**about, "namespace": namespace},
        "type": "Normal" if reason == "BecamePrimary" else "Warning",
        "reason": reason,
        "message": message,
        "source": {"component": LEASE},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _number(name: str, usual: int) -> int:
    text = os.environ.get(name, str(usual))
    if not text.isdecimal():
        raise Failure(f"{name} must be a whole number, not {text!r}")
    return int(text)


def main(_arguments: list[str]) -> None:
    """Run one of the controllers."""
    (name,) = environment("POD_NAME")
    agent_port, lease_seconds = _number("AGENT_PORT", 8081), _number("LEASE_SECONDS", 15)
    Controller(Kube.in_cluster(), name, agent_port=agent_port, lease_seconds=lease_seconds).run(_number("HTTP_PORT", 8080))


if __name__ == "__main__":
    run(main)
