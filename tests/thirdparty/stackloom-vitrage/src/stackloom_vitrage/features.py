"""``spec.features.vitrage``, and what must hold across its fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem
from stackloom.fields import CronSchedule, Port, Positive, SpecModel

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment


class Snmp(SpecModel):
    """SNMP traps of the hardware."""

    enabled: bool = False
    """Listen for traps on the compute nodes."""
    port: Port = 8162
    """The UDP port for traps."""


class VitrageFeatures(SpecModel):
    """Root cause analysis."""

    snapshots_interval: Positive = 600
    """Seconds between two looks at the whole cloud."""
    evaluator_workers: Positive = 1
    """Processes that evaluate templates."""
    snmp: Snmp = Snmp()
    """SNMP traps of the hardware."""
    purge: CronSchedule = "30 2 * * *"
    """When old entities leave the graph."""


class NodeSnmp(SpecModel):
    """SNMP traps on some nodes."""

    port: Port
    """The UDP port for traps."""


class VitrageNodeFeatures(SpecModel):
    """Root cause analysis on some nodes."""

    snmp: NodeSnmp
    """SNMP traps of the hardware."""


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Several evaluators need several CPUs."""
    features = deployment.features_of("vitrage", VitrageFeatures)
    if features.evaluator_workers > 1 and deployment.spec.size == "single":
        yield Problem(
            path="features.vitrage.evaluator_workers",
            what=f"a cloud of one node has no use for {features.evaluator_workers} evaluators",
            hint="Leave it out, or choose a larger size",
        )
