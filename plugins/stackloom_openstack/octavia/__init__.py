"""Load balancing: Octavia."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Service, hookimpl
from stackloom_openstack.octavia.features import OctaviaFeatures
from stackloom_openstack.octavia.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Octavia."""
    yield Service(
        name="octavia",
        log_level="DEBUG",  # the default of the CR's presets
        type="load-balancer",
        features=OctaviaFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf"}),
        defaults={"compute-tf": {"default_provider": "tungstenfabric"}},
        requires=frozenset(
            {"cache", "compute", "coordination", "database", "identity", "image", "key-manager", "messaging", "networking"}
        ),
        uses=frozenset({"notifications"}),
        conf=("octavia",),
    )
