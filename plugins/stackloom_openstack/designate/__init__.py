"""DNS: Designate, with PowerDNS."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Service, hookimpl
from stackloom_openstack.designate.features import DesignateFeatures


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Designate."""
    yield Service(
        name="designate",
        type="dns",
        features=DesignateFeatures,
        presets=frozenset({"compute", "compute-tf"}),
        requires=frozenset({"cache", "coordination", "database", "identity", "messaging"}),
        uses=frozenset({"notifications"}),
        conf=("designate",),
    )
