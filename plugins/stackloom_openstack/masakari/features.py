"""``spec.features.masakari``: what watches servers."""

from __future__ import annotations

from stackloom.fields import Positive, SpecModel


class Introspective(SpecModel):
    """Watches the QEMU guest agent inside servers."""

    enabled: bool = False
    """Watch guests."""
    guest_monitoring_interval: Positive = 10
    """Seconds between two looks at a guest."""
    guest_monitoring_timeout: Positive = 2
    """Seconds after which a guest that does not answer counts as failed once."""
    guest_monitoring_failure_threshold: Positive = 3
    """Failures in a row after which Masakari is told."""


class Monitors(SpecModel):
    """What watches servers on compute nodes, beside the instance monitor."""

    introspective: Introspective = Introspective()
    """Watches the QEMU guest agent inside servers."""


class MasakariFeatures(SpecModel):
    """Instance high availability: Masakari."""

    monitors: Monitors = Monitors()
    """What watches servers on compute nodes."""
