"""What Heat takes that others take otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of Heat: a batch of all stacks at a time."""
    given = deployment.spec.features.database.cleanup.get("heat")
    if given and given.batch is not None and given.batch < 0:
        yield Problem(
            path="spec.features.database.cleanup.heat.batch",
            what="Heat cannot remove all stacks at a time",
            hint="Write a number of stacks",
        )
