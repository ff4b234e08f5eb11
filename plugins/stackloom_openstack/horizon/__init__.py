"""The dashboard: Horizon."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Service, hookimpl
from stackloom_openstack.horizon.features import HorizonFeatures
from stackloom_openstack.horizon.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Horizon."""
    yield Service(
        name="horizon",
        type="dashboard",
        features=HorizonFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"cache", "database", "identity"}),
        uses=frozenset(
            {
                "block-storage",
                "compute",
                "dns",
                "image",
                "instance-ha",
                "key-manager",
                "load-balancer",
                "networking",
                "object-storage",
                "orchestration",
                "placement",
            }
        ),
        cleanup=Cleanup(schedule="1 8 * * 1", age=None),
    )
