"""All databases back to a moment, from end to end: three servers, what keeps their backups, and the program of the restore."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real import mariadb_backups
from tests.real.cluster import Cluster
from tests.real.galera import STATE, GaleraCluster, galera_cluster, wait_for
from tests.real.programs.cluster import account, rule
from tests.real.programs.running import Programs

pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.timeout(400)]


@dataclass
class Node:
    """A server, as the keeper of the backups knows it."""

    address: str
    config: Path
    secrets: Path


@dataclass
class BackedUp:
    """A cluster whose backups are kept."""

    cluster: GaleraCluster
    keeper: mariadb_backups.Keeper

    def restore(self, to: str) -> str:
        """Run the Job's program with the Job's rights; what it says."""
        cluster, folder = self.cluster, self.cluster.folder / "restore"
        cluster.api.apply(account(cluster.namespace, "restore", [rule("configmaps", "get", "patch", names=(STATE,))]))
        folder.mkdir()
        environment = {
            **cluster.api.mount(cluster.namespace, "restore", cluster.folder / "restore-account"),
            "PATH": os.environ["PATH"],
            "BACKUP_HOST": self.keeper.address,
            "BACKUP_PORT": "8081",
            "MARIADB_PEERS": ",".join(server.ip for server in cluster.servers),
            "MARIADB_SECRETS": str(cluster.folder / "secrets"),
            "SERVERS_SECONDS": "200",
        }
        command = Programs(folder).command("mariadb_restore", to)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{cluster.said()}\n{self.keeper.said()}"
        return done.stdout


@pytest.fixture
def backed_up(kubernetes: Cluster) -> Iterator[BackedUp]:
    """Three servers that run, and the first backup of them."""
    with galera_cluster(kubernetes, kubernetes.new_namespace(), sst="mariabackup") as cluster:
        (address,) = mariadb_backups.free_addresses(1)
        cluster.backup = f"{address}:8081"
        cluster.prepare()
        folder = cluster.folder / "keeper"
        folder.mkdir()
        nodes = [Node(s.ip, cluster.folder / f"{s.name}.cnf", cluster.folder / "secrets") for s in cluster.servers]
        keeper = mariadb_backups.Keeper(folder, address, nodes, account=("sst", cluster.password))
        try:
            keeper.start()
            keeper.first_backup()
            yield BackedUp(cluster, keeper)
        finally:
            keeper.kill()


def test_a_database_that_was_dropped_is_back_on_all_servers_as_it_was(backed_up: BackedUp) -> None:
    cluster, keeper = backed_up.cluster, backed_up.keeper
    first = cluster.servers[0]
    first.sql("INSERT INTO tests.acknowledged VALUES (1, 'kept'), (2, 'kept')")
    time.sleep(1.1)  # binary logs know whole seconds
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1.1)
    first.sql("DROP DATABASE tests")
    keeper.archived(str(first.sql("SELECT @@gtid_binlog_pos")[0][0]))
    assert "all servers run with the restored data" in backed_up.restore(moment)
    for server in cluster.servers:
        assert server.sql("SELECT id FROM tests.acknowledged ORDER BY id") == [(1,), (2,)]
    wait_for("the new history has a backup", lambda: len(histories(keeper)) == 2, 90, keeper.said)


def histories(keeper: mariadb_backups.Keeper) -> set[str]:
    """The histories of which there are backups."""
    return {base["history"] for base in keeper.ask("GET", "/status")["bases"]}
