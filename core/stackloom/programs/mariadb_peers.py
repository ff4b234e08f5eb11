"""What the agents of the other servers say, as a server asks them: whether there is a cluster to join, and whose turn it is."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kube import PODS, ApiError, Kube
from mariadb_options import Settings
from mariadb_reports import ordinal
from mariadb_roles import BACKUP, ROLE

PEER_SECONDS = 1.0


class Peers:
    """The agents of all servers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(len(settings.peers))

    def ask(self) -> dict[str, dict[str, Any]]:
        """What the other servers that answer say, by their hosts."""
        answers = zip(self._settings.peers, self._pool.map(self._ask, self._settings.peers), strict=True)
        return {host: said for host, said in answers if said and said["pod"] != self._settings.pod}

    def _ask(self, host: str) -> dict[str, Any] | None:
        connection = http.client.HTTPConnection(host, self._settings.agent_port, timeout=PEER_SECONDS)
        try:
            connection.request("GET", "/state")
            said = json.loads(connection.getresponse().read())
            return said if isinstance(said, dict) and "pod" in said else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


def serving(others: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The hosts of those that are part of a cluster with a majority, with the names of their Pods."""
    return {
        host: str(said["pod"])
        for host, said in others.items()
        if said["wsrep"] and said["wsrep"]["cluster_status"] == "Primary" and said["wsrep"]["local_state"] in (2, 3, 4)
    }


def backups(api: Kube, pods: Iterable[str]) -> list[str]:
    """Those of these Pods that do not take the writes, as far as the API says so: who copies from them disturbs clients least."""
    try:
        return [pod for pod in pods if (api.get(PODS, pod)["metadata"].get("labels") or {}).get(ROLE) == BACKUP]
    except ApiError:
        return []


def is_its_turn(pod: str, others: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether no other joins, and none waits that comes first: several that copy from one donor at once take longer."""
    phases = {said["pod"]: said["phase"] for said in others.values()}
    ahead = (phase == "waiting" and ordinal(other) < ordinal(pod) for other, phase in phases.items())
    return "joining" not in phases.values() and not any(ahead)
