"""How long a synth takes and how much memory it needs, for 1 to 100 services, against an empty cdk8s app in the same run.

Each measurement is a process of its own; the fastest of three counts, and the smallest memory. Exit status 1 when an object costs
more than the budget, or when the cost grows faster than the number of services. ``python benchmarks/synth.py`` prints the table;
``python benchmarks/synth.py --profile 50`` shows where the time of 50 services goes.
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
RUNS = 3
MILLISECONDS_PER_OBJECT = 1.5
WORSE_THAN_LINEAR = 1.3


@dataclass(frozen=True)
class Measured:
    """Wall-clock seconds of a whole process, from its start to its end, and the memory of Python and Node.js at their peaks."""

    services: int
    objects: int
    seconds: float
    megabytes: float


def main() -> int:
    """Measure, print the table, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--services", type=int, nargs="+", default=SIZES, metavar="N")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--profile", type=int, metavar="N", help="profile one synth of N services instead")
    parser.add_argument("--once", type=int, metavar="N", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once is not None:
        once(given.once)
        return 0
    if given.profile is not None:
        profile(given.profile)
        return 0
    empty = best(0, given.runs)
    rows = [best(n, given.runs) for n in given.services]
    print(table(empty, rows))
    complaints = list(judged(empty, rows))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return bool(complaints)


def best(services: int, runs: int) -> Measured:
    """The best of several runs: what disturbs a run makes it slower, never faster."""
    measured = [run(services) for _ in range(runs)]
    return Measured(
        services, measured[0].objects, min(m.seconds for m in measured), min(m.megabytes for m in measured)
    )


def run(services: int) -> Measured:
    """One process."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CDK8S_OUTDIR": f"{folder}/dist"}
        started = time.perf_counter()
        command = [sys.executable, __file__, "--once", str(services)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, cwd=folder)
        seconds = time.perf_counter() - started
    told = json.loads(done.stdout)
    return Measured(services, told["objects"], seconds, told["kilobytes"] / 1024)


def once(services: int) -> None:
    """Synthesise in this process; at its end, when Node.js has gone, print objects and memory as JSON."""
    objects = 0

    def tell() -> None:
        peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(json.dumps({"objects": objects, "kilobytes": sum(peaks)}))

    atexit.register(tell)  # before jsii registers its own, and so after it
    objects = synth(services) if services else synth_nothing()


def synth_nothing() -> int:
    """The least that cdk8s can be asked for."""
    from cdk8s import App

    App(outdir=os.environ["CDK8S_OUTDIR"]).synth()
    return 0


def synth(services: int) -> int:
    """A cloud of generated services; the number of its objects."""
    from benchmarks.generated import deployment, plugins
    from stackloom.app import Cloud

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
    lines = [f"{'services':>8} {'objects':>8} {'seconds':>8} {'x empty':>8} {'ms/object':>10} {'MB':>6} {'x empty':>8}"]
    lines += [
        f"{m.services or 'empty':>8} {m.objects:>8} {m.seconds:>8.2f} {m.seconds / empty.seconds:>8.2f} "
        f"{per_object(m, empty) if m.objects else 0:>10.2f} {m.megabytes:>6.0f} {m.megabytes / empty.megabytes:>8.2f}"
        for m in (empty, *rows)
    ]
    return "\n".join(lines)


def per_object(measured: Measured, empty: Measured) -> float:
    """Milliseconds that an object adds to an empty app, everything that comes before the first one included."""
    return (measured.seconds - empty.seconds) / measured.objects * 1000


def judged(empty: Measured, rows: Sequence[Measured]) -> Iterator[str]:
    """What is wrong with the results."""
    largest = rows[-1]
    cost = per_object(largest, empty)
    if cost > MILLISECONDS_PER_OBJECT:
        yield f"an object costs {cost:.2f} ms, more than {MILLISECONDS_PER_OBJECT} ms"
    if len(rows) > 1:
        before = rows[-2]
        growth = (largest.seconds - before.seconds) / (largest.objects - before.objects)
        ...
    return


if __name__ == "__main__":
    sys.exit(main())
