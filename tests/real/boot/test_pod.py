"""How a Pod of the harness ends: tests of the tests' own kubelet."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.real.boot.pod import Pod


class Ended:
    """A container that has ended, with the status that its name says, each time it is started."""

    def __init__(self, body: dict[str, Any], *_: Any) -> None:
        self.body, self.name, self.starts = body, body["name"], 0

    def start(self) -> None:
        self.starts += 1

    def ended(self) -> int:
        return int(self.name)


class Volumes:
    def write(self) -> None:
        """There are none."""


def pod(policy: str, status: str, *, init: str = "0") -> Pod:
    spec = {"restartPolicy": policy, "initContainers": [{"name": init}], "containers": [{"name": status}]}
    made: Any = Ended
    volumes: Any = Volumes()
    found = Pod({"metadata": {"name": "p"}, "spec": spec}, "10.0.0.1", volumes, made)
    with ThreadPoolExecutor() as executor:
        found.step(executor)
        found.step(executor)
    return found


@pytest.mark.parametrize(
    ("policy", "status", "init", "phase", "done"),
    [
        ("Never", "0", "0", "Succeeded", True),
        ("Never", "1", "0", "Failed", True),
        ("Never", "0", "1", "Failed", True),
        ("OnFailure", "0", "0", "Succeeded", True),
        ("OnFailure", "1", "0", "Running", False),
        ("OnFailure", "0", "1", "Pending", False),
    ],
)
def test_a_pod_ends_as_its_policy_says(policy: str, status: str, init: str, phase: str, done: bool) -> None:
    found = pod(policy, status, init=init)
    assert (found.phase, found.is_done()) == (phase, done)


def test_a_pod_that_has_failed_starts_nothing_any_more() -> None:
    found: Any = pod("Never", "1")
    assert [one.container.starts for one in found.everything()] == [1, 1]
