"""Metrics: Gnocchi."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Service, hookimpl
from stackloom_openstack.gnocchi.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Gnocchi."""
    yield Service(
        name="gnocchi",
        type="metric",
        features_key="telemetry",
        rules=rules,
        requires=frozenset({"cache", "coordination", "database", "identity"}),
        conf=("gnocchi",),
    )
