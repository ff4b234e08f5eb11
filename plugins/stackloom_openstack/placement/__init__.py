"""What resources there are and who has taken them: Placement."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Database, Endpoint, Service, ServiceUser, hookimpl, openstack_image
from stackloom_openstack.placement.build import build


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Placement."""
    yield Service(
        name="placement",
        type="placement",
        build=build,
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"cache", "database", "identity"}),
        endpoints=(Endpoint(service="placement-api", port=8778, type="placement", public="placement"),),
        images={"placement": openstack_image("placement")},
        databases=(Database("placement", group="placement_database"),),
        user=ServiceUser("placement"),
        conf=("placement",),
        schemas="stackloom_openstack",
    )
