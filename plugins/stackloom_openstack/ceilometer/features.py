"""``spec.features.telemetry``, which Aodh, Ceilometer and Gnocchi share."""

from __future__ import annotations

from typing import Literal

from stackloom.fields import SpecModel


class TelemetryFeatures(SpecModel):
    """Telemetry: Ceilometer, Gnocchi and Aodh together."""

    mode: Literal["autoscaling"] = "autoscaling"
    """What is measured: what Heat's scaling policies need."""
