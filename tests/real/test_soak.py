"""Whatever strikes the database, nothing that was confirmed is lost, and it recovers by itself.

SOAK_SECONDS (120) is how long that goes on, SOAK_SEED which faults strike: the seed is printed.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable

import pytest

from tests.real.cluster import Cluster
from tests.real.galera import Writer, galera_cluster
from tests.real.soak import Soak

SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))

pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.timeout(SECONDS + 600)]


def test_faults_at_random_lose_nothing(kubernetes: Cluster, record_property: Callable[[str, object], None]) -> None:
    seed = int(os.environ.get("SOAK_SEED", secrets.randbits(32)))
    print(f"SOAK_SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    record_property("seed", seed)
    with galera_cluster(kubernetes, kubernetes.new_namespace()) as cluster:
        cluster.prepare()
        soak, end = Soak(cluster, seed), time.monotonic() + SECONDS
        confirmed: list[int] = []
        while time.monotonic() < end:
            with Writer(cluster) as writer:
                writer.rows()
                soak.chain()
                writer.rows()
            confirmed += writer.acknowledged
            cluster.check(confirmed)
        record_property("chains", len(soak.recovered))
        record_property("struck", "; ".join(soak.struck))
        record_property("confirmed", len(confirmed))
        record_property("slowest recovery", max(soak.recovered))
