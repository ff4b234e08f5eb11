"""What the check of options costs, beside a synthesis: ``python benchmarks/options.py``.

Every file of a release is checked, with some options of each of its sections: far more than a cloud sets. A synthesis and the
check run in turn in one process, and the ratio is that of their medians.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stackloom.app import Cloud
from stackloom.oslo.check import check
from stackloom.oslo.schema import schema_of
from stackloom.spec.releases import LATEST

ROUNDS = 5
OPTIONS = 10
BUDGET_SECONDS = 0.3


def check_everything() -> int:
    """Load what the services can be told, and check files of their defaults. Returns how many options that were."""
    schema_of.cache_clear()
    schema, count = schema_of("stackloom_openstack", LATEST), 0
    for name in schema.said["files"]:
        if known := schema.file(name):
            groups = {group: list(known.group(group).items())[:OPTIONS] for group in known.groups}
            sections = {group: {name: option.default for name, option in options} for group, options in groups.items()}
            list(check(sections, known))
            count += sum(map(len, sections.values()))
    return count


def synthesise(deployment: Path) -> None:
    """The objects of the cloud, checked, and not written."""
    Cloud(deployment).checked()


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> int:
    """Print the table; 1 if the check is over its budget."""
    deployment = Path(__file__).parents[1] / "deployment.yaml"
    with tempfile.TemporaryDirectory() as directory:
        os.environ["CDK8S_OUTDIR"] = directory
        synthesise(deployment)  # starts Node.js
        rounds = [(seconds(check_everything), seconds(lambda: synthesise(deployment))) for _ in range(ROUNDS)]
    checks, syntheses = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"options   {check_everything()} of all files of {LATEST}, schema loaded anew")
    ratio = f"{checks / syntheses:.2f} of a synthesis of deployment.yaml ({syntheses * 1000:.0f} ms)"
    print(f"check     {checks * 1000:6.0f} ms, {ratio}")
    return int(checks > BUDGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
