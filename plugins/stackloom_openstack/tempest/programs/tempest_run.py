"""Run tests of Tempest and keep their results: ``tempest_run.py PLAN RESULTS FOUND``.

Reads the paths of two JSON files: the plan,

    {"include": ["^tempest"], "exclude": [], "concurrency": 4, "keep": 20}

and what was found out about the cloud, as variables for Tempest. The run gets a directory of its own in the directory RESULTS,
called after the time (UTC), with

    summary.json     passed, failed, skipped, seconds, and the names of the tests that failed
    results.xml      JUnit's form
    results.subunit  the stream of subunit, with all that was logged by each test
    tempest.txt      what Tempest printed, with the reason of each failure
    include.txt, exclude.txt, .stestr/  which tests were chosen, and the repository of stestr

and only the last ``keep`` runs stay. Exits with 1 when a test failed, or none ran. It runs in an image with Tempest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from program import Failure, read_json, run, say

CONFIG = "/etc/tempest/tempest.conf"
RUN = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
# How a test ended, in the words of subunit, as it is counted here. Whatever else became of one, it did not pass.
OUTCOMES = {"success": "passed", "xfail": "passed", "skip": "skipped"}
# What XML cannot hold.
_CONTROL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Test:
    """A test that ran: ``name`` without its marks, ``outcome`` one of passed, failed and skipped, ``why`` if it did not pass."""

    name: str
    outcome: str
    seconds: float
    why: str = ""


def make_room(results: Path, keep: int) -> None:
    """Remove all runs but the last ``keep``. What has another name is none of ours."""
    runs = sorted(path for path in results.iterdir() if RUN.fullmatch(path.name))
    for old in runs[: max(0, len(runs) - keep)]:
        shutil.rmtree(old)


def run_tests(directory: Path, plan: dict[str, Any], variables: dict[str, str]) -> int:
    """Run the chosen tests in the directory. What they print goes to the log as well; the status of Tempest."""
    for name in ("include", "exclude"):
        (directory / f"{name}.txt").write_text("".join(f"{line}\n" for line in plan[name]), encoding="utf-8")
    command = ["tempest", "run", "--config-file", CONFIG, "--concurrency", str(plan["concurrency"])]
    command += ["--include-list", "include.txt", "--exclude-list", "exclude.txt"]
    environment = {**os.environ, **variables}
    printed = directory / "tempest.txt"
    with (
        printed.open("w", encoding="utf-8") as file,
        subprocess.Popen(  # noqa: S603
            command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        for line in process.stdout or ():
            file.write(line)
            sys.stdout.write(line)
            sys.stdout.flush()
    return process.returncode


def stream_of(directory: Path) -> bytes:
    """The stream of subunit of the run in this directory; empty where none was recorded."""
    last = subprocess.run(["stestr", "last", "--subunit"], cwd=directory, stdout=subprocess.PIPE, check=False)  # noqa: S607
    return last.stdout


def tests_of(stream: Path) -> list[Test]:
    """The tests of a stream of subunit, in the order in which they ended."""
    # Only the image of Tempest has these two.
    import subunit  # type: ignore[import-not-found] # noqa: PLC0415
    import testtools  # type: ignore[import-not-found] # noqa: PLC0415

    found: list[Test] = []

    def ended(test: dict[str, Any]) -> None:
        if test["status"] == "exists":  # it was only listed
            return
        began, end = (moment or datetime.now(timezone.utc) for moment in test["timestamps"])  # noqa: UP017 - Python 3.10
        outcome = OUTCOMES.get(test["status"], "failed")
        details = {
            name: detail.as_text().strip() for name, detail in test["details"].items() if name.startswith(("trace", "reason"))
        }
        why = "" if outcome == "passed" else "\n".join(details.values()) or f"it ended as {test['status']}"
        found.append(Test(re.sub(r"\[.*\]$", "", test["id"]), outcome, (end - began).total_seconds(), why))

    result = testtools.StreamToDict(ended)
    result.startTestRun()
    with stream.open("rb") as file:
        subunit.ByteStreamToStreamResult(file, non_subunit_name="printed").run(result)
    result.stopTestRun()
    return [test for test in found if test.name != "printed"]


def summary_of(tests: list[Test], seconds: float) -> dict[str, Any]:
    """What there is to know at a glance."""
    counted = Counter(test.outcome for test in tests)
    return {
        **{outcome: counted[outcome] for outcome in ("passed", "failed", "skipped")},
        "seconds": round(seconds),
        "failures": sorted(test.name for test in tests if test.outcome == "failed"),
    }


def junit(tests: list[Test]) -> ElementTree.ElementTree:
    """The results in the form of JUnit, which tools for continuous integration read."""
    counted = Counter(test.outcome for test in tests)
    totals = {"tests": len(tests), "failures": counted["failed"], "skipped": counted["skipped"]}
    suite = ElementTree.Element("testsuite", {"name": "tempest", **{name: str(number) for name, number in totals.items()}})
    for test in tests:
        group, _, name = test.name.rpartition(".")
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=name, time=f"{test.seconds:.3f}")
        if test.outcome != "passed":
            why = _CONTROL.sub("?", test.why)
            last = why.rpartition("\n")[2]
            ElementTree.SubElement(case, {"failed": "failure", "skipped": "skipped"}[test.outcome], message=last).text = why
    return ElementTree.ElementTree(suite)


def main(arguments: list[str]) -> None:
    """Run the tests of a plan, and keep their results."""
    if len(arguments) != 3:
        raise Failure("usage: tempest_run.py PLAN RESULTS FOUND")
    plan, results, variables = read_json(arguments[0]), Path(arguments[1]), read_json(arguments[2])
    directory = results / time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    directory.mkdir()
    make_room(results, plan["keep"])
    began = time.monotonic()
    status = run_tests(directory, plan, variables)
    stream = directory / "results.subunit"
    stream.write_bytes(stream_of(directory))
    tests = tests_of(stream)
    summary = summary_of(tests, time.monotonic() - began)
    junit(tests).write(directory / "results.xml", encoding="utf-8", xml_declaration=True)
    (directory / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    for name in summary["failures"]:
        say(f"failed: {name}")
    say(f"results: {directory}")
    say(", ".join(f"{summary[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped")) + f" in {summary['seconds']} s")
    if summary["failed"]:
        raise Failure(f"{summary['failed']} of the tests did not pass")
    if not summary["passed"]:
        raise Failure("no test passed: do the expressions of include and exclude leave any, and is all that they need there?")
    if status:
        raise Failure(f"Tempest ended with status {status}")


if __name__ == "__main__":
    run(main)
