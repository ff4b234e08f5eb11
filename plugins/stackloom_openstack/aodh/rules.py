"""What Aodh needs of the deployment beyond what it requires to start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """A problem where a part of telemetry is missing: measuring, keeping and alarming are of use only together."""
    if not deployment.has("metering"):
        yield Problem(
            path="spec.features.services",
            what="alarming is of use only together with metering, which is not among the services",
            hint="Add metering, or leave out alarming, metering and metric",
        )
