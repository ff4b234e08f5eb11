from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real.cluster import Cluster
from tests.real.control_plane import ControlPlane
from tests.real.programs.cluster import account, become_ready, endpoint_slice, job, pod, rule, succeed
from tests.real.programs.running import Programs

pytestmark = pytest.mark.real

RULES = [
    rule("endpointslices", "list", group="discovery.k8s.io"),
    rule("jobs", "list", group="batch"),
    rule("pods", "list"),
]


class Gate:
    """A gate that runs, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        self._lines.extend(line.strip() for line in self._process.stdout)

    def says(self, text: str, seconds: float = 20) -> bool:
        """Whether it says this now or soon."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(text in line for line in self._lines):
                return True
            time.sleep(0.05)
        raise AssertionError(f"{text!r} was not said: {self._lines}")

    def opens(self) -> bool:
        """Whether it lets the Pod go on, now or soon."""
        return self._process.wait(timeout=20) == 0


@contextmanager
def gate(kubernetes: Cluster, programs: Programs, namespace: str, **needs: str) -> Iterator[Gate]:
    env = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **needs}
    env |= kubernetes.mount(namespace, "gate", programs.directory / "account")
    command = programs.command("gate")
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield Gate(process)
        finally:
            process.kill()


@pytest.fixture
def ready_account(kubernetes: Cluster, namespace: str) -> str:
    kubernetes.apply(account(namespace, "gate", RULES))
    return namespace


def test_it_opens_when_everything_is_there_and_not_before(kubernetes: Cluster, programs: Programs, ready_account: str) -> None:
    namespace = ready_account
    sync = job(namespace, "sync-1", {"stackloom.io/job": "sync", "stackloom.io/release": "r1"})
    stale = job(namespace, "sync-0", {"stackloom.io/job": "sync", "stackloom.io/release": "r0"})
    agent, stranger = (pod(namespace, f"ovs-{node}", {"application": "ovs"}, node) for node in ("here", "elsewhere"))
    kubernetes.apply([stale, stranger, endpoint_slice(namespace, "mariadb", ready=False)])
    succeed(kubernetes, stale)
    become_ready(kubernetes, stranger)
    needs = {"GATE_SERVICES": "mariadb", "GATE_JOBS": "sync", "GATE_RELEASE": "r1"}
    with gate(kubernetes, programs, namespace, **needs, GATE_NODE_PODS="application=ovs", NODE_NAME="here") as waiting:
        first = "Service mariadb has no ready endpoint; no Job sync yet; no ready Pod application=ovs on this node"
        assert waiting.says(f"waiting: {first}")
        kubernetes.apply([sync, agent, endpoint_slice(namespace, "mariadb", ready=True)])
        become_ready(kubernetes, agent)
        assert waiting.says("waiting: Job sync-1 is still running")
        succeed(kubernetes, sync)
        assert waiting.opens()


def test_it_waits_until_no_pod_of_another_release_runs(kubernetes: Cluster, programs: Programs, ready_account: str) -> None:
    of_before = {"application": "cinder", "stackloom.io/release": "r0"}
    pods = [
        pod(ready_account, "scheduler-0", of_before, "here"),
        pod(ready_account, "db-sync", {**of_before, "stackloom.io/task": "db-sync"}, "here"),
        pod(ready_account, "api", {**of_before, "stackloom.io/release": "r1"}, "here"),
        pod(ready_account, "broker", {"application": "cinder"}, "here"),
    ]
    kubernetes.apply(pods)
    with gate(kubernetes, programs, ready_account, GATE_REPLACED="cinder", GATE_RELEASE="r1") as waiting:
        assert waiting.says("waiting: Pod scheduler-0 of another release is still there")
        kubernetes.request("DELETE", kubernetes.path(pods[0]), {"gracePeriodSeconds": 0})
        assert waiting.opens()


def test_it_outlives_an_outage_of_the_api(
    api_server: ControlPlane, kubernetes: Cluster, programs: Programs, ready_account: str
) -> None:
    with gate(kubernetes, programs, ready_account, GATE_SERVICES="db") as waiting:
        assert waiting.says("Service db has no ready endpoint")
        with api_server.api_stopped():
            assert waiting.says("does not answer")
        kubernetes.apply([endpoint_slice(ready_account, "db", ready=True)])
        assert waiting.opens()


def test_it_waits_for_its_role_and_names_what_is_missing(kubernetes: Cluster, programs: Programs, namespace: str) -> None:
    kubernetes.apply([*account(namespace, "gate", []), endpoint_slice(namespace, "db", ready=True)])
    with gate(kubernetes, programs, namespace, GATE_SERVICES="db") as waiting:
        assert waiting.says("the Role of this service account lacks the verb 'list' on 'endpointslices'")
        kubernetes.apply(account(namespace, "gate", RULES))
        assert waiting.opens()


def test_it_uses_a_token_that_was_renewed_while_it_waited(
    kubernetes: Cluster, programs: Programs, ready_account: str, tmp_path: Path
) -> None:
    with gate(kubernetes, programs, ready_account, GATE_SERVICES="db") as waiting:
        assert waiting.says("Service db has no ready endpoint")
        (programs.directory / "account" / "token").write_text("expired")
        assert waiting.says("not allowed to list endpointslices")
        kubernetes.mount(ready_account, "gate", programs.directory / "account")
        kubernetes.apply([endpoint_slice(ready_account, "db", ready=True)])
        assert waiting.opens()


def test_it_opens_at_once_when_there_is_nothing_to_wait_for(kubernetes: Cluster, programs: Programs, ready_account: str) -> None:
    with gate(kubernetes, programs, ready_account) as waiting:
        assert waiting.opens()
