"""Metering: Ceilometer."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Service, hookimpl
from stackloom_openstack.ceilometer.features import TelemetryFeatures
from stackloom_openstack.ceilometer.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Ceilometer."""
    yield Service(
        name="ceilometer",
        type="metering",
        features=TelemetryFeatures,
        features_key="telemetry",
        rules=rules,
        requires=frozenset({"cache", "coordination", "identity", "messaging", "metric", "notifications"}),
        uses=frozenset({"block-storage", "compute", "image", "networking", "object-storage"}),
        conf=("ceilometer",),
    )
