"""Images: Glance."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Service, hookimpl
from stackloom_openstack.glance.features import GlanceFeatures
from stackloom_openstack.glance.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Glance."""
    yield Service(
        name="glance",
        type="image",
        features=GlanceFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"cache", "database", "identity"}),
        uses=frozenset({"block-storage", "key-manager", "notifications"}),
        conf=("glance",),
        cleanup=Cleanup(schedule="1 2 * * 1", batch=-1),
    )
