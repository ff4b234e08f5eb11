"""Faults at random, one after the other and one into the other, for as long as one likes."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from tests.real.faults import FAULTS, Fault
from tests.real.galera import GaleraCluster, wait_for

LONGEST_SECONDS = 12.0
STEADY_SECONDS = 4.0
PATIENCE_SECONDS = 120.0


@dataclass
class Soak:
    """Chains of one to three faults. Each strikes before those before it are undone, and after each chain all is well again."""

    cluster: GaleraCluster
    seed: int
    struck: list[str] = field(default_factory=list)
    recovered: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - the same seed strikes the same way

    def chain(self) -> None:
        """Strike, undo all, and wait until all servers are ready. AssertionError when they do not become so."""
        under_way: list[Fault] = []
        for _ in range(self._chance.choice((1, 1, 2, 3))):
            fault = self._fault(calm=not under_way)
            self.struck.append(fault.name)
            fault.strike()
            under_way.append(fault)
            time.sleep(self._chance.uniform(0, LONGEST_SECONDS))
        self._chance.shuffle(under_way)
        for fault in under_way:
            fault.undo()
        self.recovered.append(self._recovery())
        self.struck.append(f"recovered in {self.recovered[-1]:.1f} s")

    def _recovery(self) -> float:
        """Wait until all are ready and stay so: what was killed just now, or hung, may say for a moment that it is."""
        began = steady = time.monotonic()

        def recovered() -> bool:
            nonlocal steady
            if not all(server.is_ready() for server in self.cluster.servers):
                steady = time.monotonic()
            return time.monotonic() > steady + STEADY_SECONDS

        wait_for("all recover", recovered, PATIENCE_SECONDS, self._told)
        return steady - began

    def _fault(self, *, calm: bool) -> Fault:
        kinds = FAULTS if calm else FAULTS[:-1]
        servers = self._chance.sample(self.cluster.servers, self._chance.choice((1, 1, 2, 3)))
        return self._chance.choice(kinds)(self.cluster, *servers)

    def _told(self) -> str:
        return f"seed {self.seed}, after: {'; '.join(self.struck[-12:])}\n{self.cluster.said()}"
