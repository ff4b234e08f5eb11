"""The OpenStack test suite: Tempest."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Image, Service, hookimpl
from stackloom_openstack.tempest.build import build
from stackloom_openstack.tempest.features import TempestFeatures


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Tempest."""
    yield Service(
        name="tempest",
        type="tempest",
        build=build,
        features=TempestFeatures,
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
        # Tempest has no releases of its own beside OpenStack's: one version tests all of them.
        images={"tempest": Image("quay.io/airshipit/tempest", "latest-ubuntu_noble")},
        conf=("tempest",),
        schemas="stackloom_openstack",
        programs="stackloom_openstack.tempest.programs",
    )
