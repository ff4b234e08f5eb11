from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.synth import Measured, judged, table

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "synth.py"
EMPTY = Measured(services=0, objects=0, seconds=0.4, processor=0.4, megabytes=100)


def row(services: int, objects: int, seconds: float) -> Measured:
    return Measured(services, objects, seconds, seconds, 150)


def test_generated_services_pass_all_checks_and_are_measured(tmp_path: Path):
    command = [sys.executable, str(SCRIPT), "--once", "2"]
    environment = {"CDK8S_OUTDIR": str(tmp_path / "dist"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    told = json.loads(done.stdout)
    assert told["objects"] == len(list((tmp_path / "dist").rglob("*.yaml"))) > 30
    assert told["kilobytes"] > 50_000


def test_each_size_is_a_row_of_ratios():
    head, empty, ten = table(EMPTY, [row(10, 100, 0.6)]).splitlines()
    assert head.split() == ["services", "objects", "seconds", "x", "empty", "ms/object", "CPU", "s", "MB", "x", "empty"]
    assert empty.split()[:4] == ["empty", "0", "0.40", "1.00"]
    assert ten.split() == ["10", "100", "0.60", "1.50", "2.00", "0.60", "150", "1.50"]


def test_an_object_within_the_budget_is_no_complaint():
    assert list(judged(EMPTY, [row(50, 1000, 1.4), row(100, 2000, 2.4)])) == []


def test_an_object_over_the_budget_is_a_complaint():
    (complaint,) = judged(EMPTY, [row(50, 1000, 2.0), row(100, 2000, 3.6)])
    assert complaint == "an object costs 1.60 ms, more than 1.5 ms"


def test_a_cost_that_grows_with_the_number_of_services_is_a_complaint():
    (complaint,) = judged(EMPTY, [row(50, 1000, 1.0), row(100, 2000, 2.4)])
    assert complaint == "from 50 to 100 services the cost of an object grows to 1.67 times as much"
