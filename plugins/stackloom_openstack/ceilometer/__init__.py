"""Metering: Ceilometer."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Service, ServiceUser, hookimpl, kolla_image
from stackloom_openstack.ceilometer.build import build
from stackloom_openstack.ceilometer.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Ceilometer."""
    yield Service(
        name="ceilometer",
        type="metering",
        build=build,
        features_key="telemetry",
        rules=rules,
        # Samples and events are notifications, and go over the bus of all who notify.
        requires=frozenset({"cache", "coordination", "identity", "metric", "notifications"}),
        uses=frozenset({"block-storage", "compute", "image", "networking"}),
        # That of the agent of compute nodes has all of Ceilometer, and what it reads libvirt with.
        images={"ceilometer": kolla_image("ceilometer-compute")},
        # It asks for what all projects have.
        user=ServiceUser("ceilometer", roles=("admin",)),
        conf=("ceilometer",),
        schemas="stackloom_openstack",
        programs="stackloom_openstack.ceilometer.programs",
    )
