"""Tempest: tests of five services at once, by the Job that comes with switching it on, and once more by hand.

Of the smoke tests those run that take a few minutes here: all of identity, images, volumes and compute, and of the network those
of routers and floating addresses. Servers are made up, as in the scenario of Nova, which says why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.real.boot.scenario import RunningCloud, Scenario
from tests.real.scenarios import cinder, nova

RUN_SECONDS = 900
SMOKE = r"\[.*\bsmoke\b"
TESTS = [
    rf"^tempest\.api\.(identity|image|volume|compute)\..*{SMOKE}",
    rf"^tempest\.api\.network\.test_(routers|floating_ips)\..*{SMOKE}",
    rf"^tempest\.scenario\.test_server_basic_ops\..*{SMOKE}",
]


def runs(cloud: RunningCloud) -> list[Path]:
    """The directories of the runs, the oldest first."""
    return sorted((cloud.node.folder / "claims" / "tempest-results").iterdir())


def the_tests_pass(cloud: RunningCloud) -> None:
    pod = cloud.node.pod("tempest-run")
    print(pod.said())  # noqa: T201 - for people
    summary: dict[str, Any] = json.loads((runs(cloud)[0] / "summary.json").read_text())
    assert summary["failures"] == []
    assert summary["passed"] > 40
    assert pod.phase == "Succeeded"


def every_api_was_tested(cloud: RunningCloud) -> None:
    cases = ElementTree.parse(runs(cloud)[0] / "results.xml").iter("testcase")  # noqa: S314 - our own
    passed = {case.attrib["classname"].split(".")[2] for case in cases if len(case) == 0}
    assert {"identity", "image", "volume", "compute", "network"} <= passed


def the_tests_leave_nothing_behind_but_what_the_next_run_uses(cloud: RunningCloud) -> None:
    admin: Any = cloud.admin
    assert list(admin.compute.servers(all_projects=True)) == []
    assert {flavor.name for flavor in admin.compute.flavors()} == {"tempest-1", "tempest-2"}
    assert [project.name for project in admin.identity.projects() if project.name.startswith("tempest")] == []
    assert list(admin.image.images()) == []  # the disks are nobody's to see who does not ask for them
    assert {image.name for image in admin.image.images(visibility="community")} == {"tempest-1", "tempest-2"}


def whoever_wants_runs_them_again(cloud: RunningCloud) -> None:
    assert cloud.node.run_now("tempest-run", RUN_SECONDS).phase == "Succeeded"
    first, second = (json.loads((run / "summary.json").read_text()) for run in runs(cloud))
    assert first["passed"] == second["passed"]


SCENARIO = Scenario(
    services=[*nova.SCENARIO.services, "block-storage", "tempest"],
    spec={
        "features": {
            **nova.SCENARIO.spec["features"],
            **cinder.SCENARIO.spec["features"],
            "tempest": {"include": TESTS, "concurrency": 2},
        },
        "services": nova.SCENARIO.spec["services"],
    },
    shows=[
        the_tests_pass,
        every_api_was_tested,
        the_tests_leave_nothing_behind_but_what_the_next_run_uses,
        whoever_wants_runs_them_again,
    ],
    alone=True,
)
