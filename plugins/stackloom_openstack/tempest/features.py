"""``spec.features.tempest``: which tests run, when, and where their results stay."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from stackloom.fields import CronSchedule, NonEmpty, ObjectName, Positive, SpecModel, StorageSize, refuse


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        refuse(f"{value!r} is not a regular expression: {error}", "Write one of Python, like ^tempest\\.api\\.volume")
    if "#" in value or "\n" in value:
        refuse(f"{value!r} has a # or a line break, which ends an expression", "Write a dot in its place")
    return value


# Of the name of a test with its marks: tempest.api.network.test_networks.NetworksTest.test_show_network[id-...,smoke]
Expression = Annotated[NonEmpty, AfterValidator(_expression)]

SMOKE = r"^tempest\..*\[.*\bsmoke\b"
# They log in to servers, which takes an image with a system in it, and a way from Tempest's Pod to floating addresses.
SCENARIOS_THAT_LOG_IN = r"^tempest\.scenario\.(?!test_server_(basic_ops|multinode)\.)"


class Results(SpecModel):
    """The volume of the results: a directory for each run."""

    size: StorageSize = "2Gi"
    """Its size."""
    storage_class_name: ObjectName | None = None
    """Its storage class. Absent: the cluster's default."""
    keep: Positive = 20
    """How many runs are kept: the last ones."""


class TempestFeatures(SpecModel):
    """The tests of Tempest."""

    include: Annotated[list[Expression], Field(min_length=1, default_factory=lambda: [SMOKE])]
    """Regular expressions: a test runs that one of them fits. Absent: the smoke tests."""
    exclude: list[Expression] = Field(default_factory=lambda: [SCENARIOS_THAT_LOG_IN])
    """Regular expressions: a test that one of them fits does not run. Absent: the scenarios that log in to servers."""
    concurrency: Positive = 4
    """How many tests run at a time."""
    image: NonEmpty | None = None
    """The name of an image that every project may use, for the tests' servers. Absent: two small disks without a system."""
    schedule: CronSchedule | None = None
    """When the tests run by the clock as well. Absent: when Tempest is switched on or changed, and when somebody starts them."""
    timeout: Positive = 14400
    """Seconds after which a run has failed."""
    results: Results = Results()
    """The volume of the results."""
