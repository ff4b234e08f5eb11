"""The dashboard: Horizon."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Database, Endpoint, Service, hookimpl, openstack_image
from stackloom_openstack.horizon.build import build
from stackloom_openstack.horizon.features import HorizonFeatures
from stackloom_openstack.horizon.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Horizon."""
    yield Service(
        name="horizon",
        type="dashboard",
        build=build,
        features=HorizonFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"database", "identity"}),
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
        endpoints=(Endpoint(service="horizon", port=8080, public="horizon"),),
        images={"horizon": openstack_image("horizon")},
        databases=(Database("horizon"),),
        conf=("local_settings",),
        programs="stackloom_openstack.horizon.programs",
        cleanup=Cleanup(schedule="1 8 * * 1", age=None),
    )
