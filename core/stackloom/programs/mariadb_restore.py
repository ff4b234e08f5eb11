"""Restore all databases: ``mariadb_restore.py <to>``: to a time in UTC (2026-01-02T03:04:05Z), a backup's id, or "latest".

First the data are made where the backups lie, beside the running servers. If that fails, nothing has happened. Then the order is
given (an annotation of the ConfigMap ``mariadb-state``) upon which all servers stop and start with these data. It ends when every
server runs with them.

It reads from the environment BACKUP_HOST and BACKUP_PORT, MARIADB_PEERS (the hosts of all servers, with commas between them),
AGENT_PORT (8081), MARIADB_SECRETS (/etc/mysql/secrets), SERVERS_SECONDS (21600: how long the servers may take), and what kube.py
reads.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kube import CONFIG_MAPS, ApiError, Kube
from mariadb_asking import Keeper
from mariadb_reports import RESTORE, RESTORE_FAILED, STATE, State
from program import Failure, environment, patiently, run, say

ASK_SECONDS = 3.0
PAUSE_SECONDS = 1.0
API_SECONDS = 300.0


class Servers:
    """The servers' agents, by their hosts."""

    def __init__(self, hosts: Sequence[str], port: int) -> None:
        self._hosts = hosts
        self._port = port

    def not_in(self, history: str) -> list[str]:
        """The hosts of those that do not serve data of this history."""
        return [host for host in self._hosts if self._history(host) != history]

    def _history(self, host: str) -> str:
        connection = http.client.HTTPConnection(host, self._port, timeout=ASK_SECONDS)
        try:
            connection.request("GET", "/state")
            said = json.loads(connection.getresponse().read())
            return str(said["wsrep"]["cluster_uuid"]) if said["ready"] else ""
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return ""
        finally:
            connection.close()


def order(api: Kube, restored: str) -> None:
    """Order the servers to take these data. Raises Failure."""
    annotations = {RESTORE: restored, RESTORE_FAILED: None}
    body = {"metadata": {"annotations": annotations}}
    patiently(lambda: api.patch(CONFIG_MAPS, STATE, body), ApiError, seconds=API_SECONDS)


def carried_out(config_map: dict[str, Any], restored: str) -> str:
    """The history that the order began; "" as long as it stands. Raises Failure if it was refused."""
    if reason := (config_map["metadata"].get("annotations") or {}).get(RESTORE_FAILED):
        raise Failure(f"the servers did not take the data: {reason}")
    decision = State.read(config_map).decision
    return decision.uuid if decision and decision.restore == restored else ""


def wait(api: Kube, servers: Servers, restored: str, seconds: float) -> str:
    """Wait until all servers serve the restored data. Returns their history. Raises Failure."""
    deadline, said = time.monotonic() + seconds, ""
    while True:
        config_map = patiently(lambda: api.get(CONFIG_MAPS, STATE), ApiError, seconds=API_SECONDS)
        history = carried_out(config_map, restored)
        lacking = servers.not_in(history) if history else []
        if history and not lacking:
            return history
        status = f"waiting for {', '.join(lacking)} to copy the data" if history else "waiting for all servers to stop"
        if status != said:
            said = status
            say(said)
        if time.monotonic() > deadline:
            raise Failure(f"after {seconds:g} seconds still {said}")
        time.sleep(PAUSE_SECONDS)


def main(arguments: list[str]) -> None:
    """Restore what the argument says."""
    if len(arguments) != 1:
        raise Failure("say what to restore: a time like 2026-01-02T03:04:05Z, a backup's id, or latest")
    host, port, peers = environment("BACKUP_HOST", "BACKUP_PORT", "MARIADB_PEERS")
    api = Kube.in_cluster()
    keeper = Keeper((host, int(port)), Path(os.environ.get("MARIADB_SECRETS", "/etc/mysql/secrets")))
    made = keeper.ask("/restore", {"to": arguments[0]})
    say(f"{made['id']}: {made['base']} and what followed, up to {made['gtid']}, {made['tables']} tables")
    order(api, made["id"])
    servers = Servers([peer for peer in peers.split(",") if peer], int(os.environ.get("AGENT_PORT", "8081")))
    history = wait(api, servers, made["id"], float(os.environ.get("SERVERS_SECONDS", "21600")))
    say(f"all servers run with the restored data, in the history {history}")


if __name__ == "__main__":
    run(main)
