"""Compute: Nova, and libvirt on compute nodes."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Service, hookimpl
from stackloom_openstack.nova.features import NovaFeatures, NovaNodeFeatures
from stackloom_openstack.nova.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Nova and libvirt."""
    yield Service(
        name="nova",
        log_level="DEBUG",  # the default of the CR's presets
        type="compute",
        features=NovaFeatures,
        node_features=NovaNodeFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"cache", "database", "identity", "image", "messaging", "networking", "placement"}),
        uses=frozenset({"block-storage", "key-manager", "notifications"}),
        conf=("nova",),
        cleanup=Cleanup(schedule="1 1 * * 1", batch=1000),
    )
    yield Service(
        name="libvirt",
        type="compute",
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"networking"}),
    )
