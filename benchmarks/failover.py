"""How long the database takes no writes after a fault: our controller beside one that polls, on the same servers in one run.

Three real MariaDB servers and a real Kubernetes API, as in tests/real/failover.py. The other controller does what that of
openstack-helm does: every ten seconds it gives the role to the first Pod by name that Kubernetes says is ready. Figures are
seconds in which no write is confirmed to anybody who connects to the Service anew. They are printed, not judged.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripts.build_control_plane import assets_directory, missing
from tests.real.cluster import Cluster
from tests.real.control_plane import ControlPlane
from tests.real.failover import Clients, Database, database, is_ready
from tests.real.galera_server import AGENT_PORT
from tests.real.mariadb_controllers import Controllers

POLL_SECONDS = 10.0
RUNS = 3


class Polling:
    """The other controller."""

    def __init__(self, of: Database) -> None:
        self._pods = of.pods
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(POLL_SECONDS):
            path = f"/api/v1/namespaces/{self._pods.namespace}/pods"
            bodies = sorted(self._pods.kubernetes.request("GET", path).object["items"], key=lambda body: body["metadata"]["name"])
            fit = [body["metadata"]["name"] for body in bodies if is_ready(body) and "deletionTimestamp" not in body["metadata"]]
            for body in bodies if fit else []:
                name = body["metadata"]["name"]
                self._pods.label(int(name.rpartition("-")[2]), "primary" if name == fit[0] else "backup")


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each fault strikes")
    runs = parser.parse_args().runs
    with kubernetes() as api, database(api, api.new_namespace()) as of, tempfile.TemporaryDirectory() as folder:
        controllers = Controllers(of.pods, Path(folder), agent_port=AGENT_PORT)
        controllers.start("controller", LEASE_SECONDS="15")
        try:
            of.prepare()
            ours = [measured(of, fault, runs) for fault in range(len(names(of)))]
        finally:
            controllers.stop()
        polling = Polling(of)
        others = [measured(of, fault, runs, settle=lambda: time.sleep(1.5 * POLL_SECONDS)) for fault in range(len(names(of)))]
        polling.stop()
        print(table(names(of), ours, others))
    return 0


@contextmanager
def kubernetes() -> Iterator[Cluster]:
    """An API of the benchmark's own."""
    if lacking := missing(assets_directory()):
        sys.exit(f"there is no Kubernetes API: {' and '.join(lacking)} lacking; run scripts/build_control_plane.py")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        programs = ControlPlane(assets_directory(), Path(directory))
        try:
            programs.start()
            cluster = Cluster.from_kubeconfig(programs.kubeconfig)
            yield cluster
            cluster.close()
        finally:
            programs.stop()


def names(of: Database) -> list[str]:
    """The faults."""
    return [fault.name for fault in of.faults(of.cluster.servers[0])]


def measured(of: Database, number: int, runs: int, settle: Callable[[], None] = lambda: None) -> list[float]:
    """Seconds without the database after a fault, of each run."""
    found = []
    for _ in range(runs):
        of.settle()
        settle()  # until a controller that moves the role back has done so
        clients = Clients(of)
        time.sleep(1 + random.uniform(0, POLL_SECONDS))  # noqa: S311 - the fault strikes at any time between two polls
        fault, began = of.faults(of.settle())[number], time.monotonic()
        fault.strike()
        found.append(clients.outage(began))
        print(f"{fault.name}: {found[-1]:.2f} s", file=sys.stderr)
        fault.undo()
        of.settle()
        clients.stop()
        of.settle()
        of.cluster.check(clients.rows())
    return found


def table(faults: list[str], ours: list[list[float]], others: list[list[float]]) -> str:
    """Means, with the least and the most, and how many times as long the other takes."""
    lines = [f"{'seconds without the database':30} {'ours':>20} {'polling':>22} {'ratio':>7}"]
    for fault, own, other in zip(faults, ours, others, strict=True):
        ratio = statistics.mean(other) / statistics.mean(own)
        lines.append(f"{fault:30} {told(own):>20} {told(other):>22} {ratio:>7.1f}")
    return "\n".join(lines)


def told(seconds: list[float]) -> str:
    """Mean, least and most."""
    return f"{statistics.mean(seconds):.2f} ({min(seconds):.2f} - {max(seconds):.2f})"


if __name__ == "__main__":
    sys.exit(main())
