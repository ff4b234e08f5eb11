"""Waits, before a server's container is told to end, until its clients are led elsewhere: ``mariadb_leave.py``, a preStop hook.

The controller moves the role as soon as the Pod is being deleted. Until then this server must go on serving, and then for the
moment that nodes need to learn where the Service leads now. POD_NAME says whose container it is, MARIADB_PEERS who else there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from kube import PODS, ApiError, Kube
from mariadb_roles import PRIMARY, ROLE
from program import environment, run, say

API_SECONDS = 2.0
ROLE_SECONDS = 30.0
"""How long to wait for the role to move: when no other server is fit it stays."""
SETTLE_SECONDS = 2.0
BLIND_SECONDS = 5.0
"""How long to wait where the API does not say who has the role."""
PAUSE_SECONDS = 0.2


def leave(has_role: Callable[[], bool], pause: Callable[[float], None]) -> None:
    """Return when the container may end. ``has_role`` says whether clients are led here; it raises what :class:`Kube` does."""
    waited = 0.0
    try:
        while has_role() and waited < ROLE_SECONDS:
            pause(PAUSE_SECONDS)
            waited += PAUSE_SECONDS
    except ApiError as error:
        say(f"not known who has the role: {error}")
        return pause(BLIND_SECONDS)
    return pause(SETTLE_SECONDS)


def main(_arguments: list[str]) -> None:
    """Wait for the Pod that the environment names."""
    pod, peers = environment("POD_NAME", "MARIADB_PEERS")
    if "," not in peers:
        return  # there is nowhere to lead clients
    api = replace(Kube.in_cluster(), timeout=API_SECONDS)

    def has_role() -> bool:
        labels = api.get(PODS, pod)["metadata"].get("labels") or {}
        return labels.get(ROLE) == PRIMARY

    leave(has_role, time.sleep)


if __name__ == "__main__":
    run(main)
