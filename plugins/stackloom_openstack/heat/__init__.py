"""Orchestration: Heat."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Service, hookimpl


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Heat."""
    yield Service(
        name="heat",
        type="orchestration",
        presets=frozenset({"compute", "compute-tf"}),
        requires=frozenset({"cache", "database", "identity", "messaging"}),
        uses=frozenset(
            {
                "alarming",
                "block-storage",
                "compute",
                "dns",
                "image",
                "key-manager",
                "load-balancer",
                "metric",
                "networking",
                "notifications",
                "object-storage",
            }
        ),
        conf=("heat",),
        cleanup=Cleanup(schedule="1 5 * * 1", batch=10),
    )
