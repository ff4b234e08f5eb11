"""How long a synth takes and how much memory it needs, for 1 to 100 services, against an empty cdk8s app in the same run.

Each measurement is a process of its own, from its start to its end, and the fastest of three counts: whatever disturbs one
makes it slower. Exit status 1 when an object costs more than the budget, or when its cost grows with the number of services.
``python benchmarks/synth.py --profile 50`` shows instead where the time of 50 services goes.
"""

from __future__ import annotations

import argparse
import atexit
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SIZES = (1, 10, 50, 100)
MEMORY = "/dev/shm"  # noqa: S108 - files are written to memory where that is possible: how slow the disk is, is not what is asked
RUNS = 3
MILLISECONDS_PER_OBJECT = 1.5
WORSE_THAN_LINEAR = 1.3


@dataclass(frozen=True)
class Measured:
    """One process with Node.js: seconds by the clock and of all processors, megabytes of both at their peaks."""

    services: int
    objects: int
    seconds: float
    processor: float
    megabytes: float


def main() -> int:
    """Measure, print the table, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--services", type=int, nargs="+", default=SIZES, metavar="N", help="numbers of services to measure")
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each is measured")
    parser.add_argument("--profile", type=int, metavar="N", help="profile a synth of N services instead")
    parser.add_argument("--once", type=int, metavar="N", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once is not None:
        once(given.once)
        return 0
    if given.profile is not None:
        profile(given.profile)
        return 0
    from stackloom.constructs.node import choose_node  # noqa: PLC0415 - no part of an empty app

    choose_node()  # the same one for all: it stands in the environment
    rounds = [[run(n) for n in (0, *given.services)] for _ in range(given.runs)]
    empty, *rows = map(best, zip(*rounds, strict=True))
    print(table(empty, rows))
    complaints = list(judged(empty, rows))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return bool(complaints)


def best(runs: Sequence[Measured]) -> Measured:
    """The best of several runs of one size."""
    return Measured(
        runs[0].services,
        runs[0].objects,
        min(m.seconds for m in runs),
        min(m.processor for m in runs),
        min(m.megabytes for m in runs),
    )


def run(services: int) -> Measured:
    """One process; with no services, one that does nothing but an empty app."""
    command = [sys.executable, __file__, "--once", str(services)]
    with tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as folder:
        environment = {**os.environ, "CDK8S_OUTDIR": f"{folder}/dist"}
        before, started = processor_seconds(), time.perf_counter()
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, cwd=folder)
        seconds, processor = time.perf_counter() - started, processor_seconds() - before
    told = json.loads(done.stdout)
    return Measured(services, told["objects"], seconds, processor, told["kilobytes"] / 1024)


def processor_seconds() -> float:
    """What all ended children of this process have used, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(services: int) -> None:
    """Synthesise in this process; at its end, when Node.js has gone, print the number of objects and the memory as JSON."""
    objects = 0

    def tell() -> None:
        peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(json.dumps({"objects": objects, "kilobytes": sum(peaks)}))

    atexit.register(tell)  # before jsii registers the end of Node.js, and so after it
    objects = synth(services) if services else synth_nothing()


def synth_nothing() -> int:
    """The least that cdk8s can be asked for."""
    from cdk8s import App  # noqa: PLC0415 - what is imported is measured

    App(outdir=os.environ["CDK8S_OUTDIR"]).synth()
    return 0


def synth(services: int) -> int:
    """A cloud of generated services; the number of its objects."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from benchmarks.generated import deployment, plugins  # noqa: PLC0415 - as above
    from stackloom.app import Cloud, reporting  # noqa: PLC0415 - as above

    with reporting():  # as in main.py
        return Cloud(deployment(services), plugins=plugins(services)).synth().objects


def profile(services: int) -> None:
    """Print what takes the time of one synth."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CDK8S_OUTDIR"] = f"{folder}/dist"
        profiler = cProfile.Profile()
        profiler.runcall(synth, services)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(60)


def table(empty: Measured, rows: Sequence[Measured]) -> str:
    """The results, one row for each number of services."""
    head = f"{'services':>8} {'objects':>8} {'seconds':>8} {'x empty':>8} {'ms/object':>10} {'CPU s':>7} {'MB':>6} {'x empty':>8}"
    lines = [
        f"{m.services or 'empty':>8} {m.objects:>8} {m.seconds:>8.2f} {m.seconds / empty.seconds:>8.2f} "
        f"{per_object(m, empty) if m.objects else 0:>10.2f} {m.processor:>7.2f} {m.megabytes:>6.0f} "
        f"{m.megabytes / empty.megabytes:>8.2f}"
        for m in (empty, *rows)
    ]
    return "\n".join([head, *lines])


def per_object(measured: Measured, empty: Measured) -> float:
    """Milliseconds that an object adds to an empty app, everything that comes before the first one included."""
    return (measured.seconds - empty.seconds) / measured.objects * 1000


def judged(empty: Measured, rows: Sequence[Measured]) -> Iterator[str]:
    """What is wrong with the results."""
    largest = rows[-1]
    cost = per_object(largest, empty)
    if cost > MILLISECONDS_PER_OBJECT:
        yield f"an object costs {cost:.2f} ms, more than {MILLISECONDS_PER_OBJECT} ms"
    if len(rows) > 1 and cost > WORSE_THAN_LINEAR * per_object(rows[-2], empty):
        growth = cost / per_object(rows[-2], empty)
        yield f"from {rows[-2].services} to {largest.services} services the cost of an object grows to {growth:.2f} times as much"


if __name__ == "__main__":
    sys.exit(main())
