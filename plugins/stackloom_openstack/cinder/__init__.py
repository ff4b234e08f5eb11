"""Block storage: Cinder."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Service, hookimpl
from stackloom_openstack.cinder.features import CinderFeatures, CinderNodeFeatures
from stackloom_openstack.cinder.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Cinder."""
    yield Service(
        name="cinder",
        log_level="DEBUG",  # the default of the CR's presets
        type="block-storage",
        features=CinderFeatures,
        node_features=CinderNodeFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf"}),
        requires=frozenset({"cache", "coordination", "database", "identity", "messaging"}),
        uses=frozenset({"compute", "image", "key-manager", "notifications"}),
        conf=("cinder",),
        cleanup=Cleanup(schedule="1 0 * * 1"),
    )
