"""Clouds with telemetry for tests."""

from __future__ import annotations

from typing import Any

from tests.bad_inputs import USUAL, patched

SERVICES = ["identity", "alarming", "metering", "metric"]
# What they need of a deployment, for their contracts: none of them is there without the others.
TELEMETRY: dict[str, Any] = {"features": {"services": SERVICES}}


def cloud(features: dict[str, Any] | None = None, *, beside: tuple[str, ...] = (), **spec: Any) -> dict[str, Any]:
    """A small cloud of identity and telemetry, with the services ``beside`` them and with what differs."""
    data = patched(USUAL, {"spec": {"size": "small", "features": {"services": [*SERVICES, *beside]}}})
    return patched(data, {"spec": {**spec, "features": features or {}}})
