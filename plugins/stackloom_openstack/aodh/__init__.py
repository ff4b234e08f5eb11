"""Alarms: Aodh."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Service, hookimpl
from stackloom_openstack.aodh.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Aodh."""
    yield Service(
        name="aodh",
        type="alarming",
        features_key="telemetry",
        rules=rules,
        requires=frozenset({"cache", "coordination", "database", "identity", "messaging", "metric"}),
        uses=frozenset({"orchestration"}),
        conf=("aodh",),
        cleanup=Cleanup(schedule="1 6 * * 1"),
    )
