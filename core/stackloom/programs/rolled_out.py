"""Run a command when nothing is left of what a Deployment ran before: ``rolled_out.py DEPLOYMENT RELEASE COMMAND...``.

It waits, however long that takes, until the Deployment is that of the release and all of its Pods are the newest and available.
Its Role needs get on the Deployment.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from kube import DEPLOYMENTS, Forbidden, Kube, NotFound, Object, Unavailable
from program import Failure, run, say

RELEASE_LABEL = "stackloom.io/release"
POLL_SECONDS = 5.0
REPEAT_SECONDS = 60.0


def missing(deployment: Object, release: str) -> str:
    """What is still to come of a Deployment, or ""."""
    meta, status = deployment["metadata"], deployment.get("status") or {}
    wanted, name = deployment["spec"].get("replicas", 1), meta["name"]
    found = str((meta.get("labels") or {}).get(RELEASE_LABEL, ""))
    if found != release:
        return f"Deployment {name} is that of {found or 'no release'}"
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return f"Deployment {name} was changed just now"
    newest, all_of_it, available = (status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas"))
    if newest < wanted or available < wanted:
        return f"of {wanted} Pods of Deployment {name}, {newest} are new and {available} available"
    old = all_of_it - newest + status.get("terminatingReplicas", 0)
    return f"{old} old Pods of Deployment {name} are left" if old else ""


def wait(observe: Callable[[], str], pause: Callable[[], Any], clock: Callable[[], float]) -> None:
    """Return when nothing is missing; say what is, when that changes and every REPEAT_SECONDS."""
    said, said_at = "", 0.0
    while still := observe():
        if still != said or clock() - said_at >= REPEAT_SECONDS:
            say(f"waiting: {still}")
            said, said_at = still, clock()
        pause()


def main(arguments: list[str]) -> None:
    """Wait, and become the command."""
    if len(arguments) < 3:
        raise Failure("usage: rolled_out.py DEPLOYMENT RELEASE COMMAND...")
    name, release, *command = arguments
    kube = Kube.in_cluster()

    def observe() -> str:
        try:
            return missing(kube.get(DEPLOYMENTS, name), release)
        except (NotFound, Unavailable, Forbidden) as error:
            return str(error)

    wait(observe, lambda: time.sleep(POLL_SECONDS), time.monotonic)
    say(f"Deployment {name} is rolled out: {' '.join(command[:1])} begins")
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    run(main)
