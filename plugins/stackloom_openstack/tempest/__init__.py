"""The OpenStack test suite: Tempest."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Service, hookimpl


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Tempest."""
    yield Service(
        name="tempest",
        type="tempest",
        requires=frozenset({"compute", "identity", "image", "networking"}),
        uses=frozenset(
            {
                "alarming",
                "block-storage",
                "dns",
                "instance-ha",
                "key-manager",
                "load-balancer",
                "metric",
                "object-storage",
                "orchestration",
                "placement",
            }
        ),
        conf=("tempest",),
    )
