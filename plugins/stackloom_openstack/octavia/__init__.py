"""Load balancing: Octavia."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import (
    Credential,
    Database,
    Endpoint,
    Service,
    ServiceUser,
    authority_keys,
    hookimpl,
    kolla_image,
    openstack_image,
)
from stackloom_openstack.octavia.build import build
from stackloom_openstack.octavia.features import OctaviaFeatures
from stackloom_openstack.octavia.keys import CLIENT_AUTHORITY
from stackloom_openstack.octavia.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Octavia."""
    yield Service(
        name="octavia",
        log_level="DEBUG",  # the default of the CR's presets
        type="load-balancer",
        build=build,
        features=OctaviaFeatures,
        rules=rules,
        presets=frozenset({"compute"}),  # not with Tungsten Fabric: see the rules
        requires=frozenset(
            {"cache", "compute", "coordination", "database", "identity", "image", "key-manager", "messaging", "networking"}
        ),
        uses=frozenset({"notifications"}),
        endpoints=(Endpoint(service="octavia-api", port=9876, type="load-balancer", public="octavia"),),
        images={
            "octavia": openstack_image("octavia"),
            # The image above has no driver for OVN. That of Kolla's API has it, for the API and for the agent beside it.
            "octavia-ovn": kolla_image("octavia-api"),
            # With Open vSwitch's commands, and what logs in to Keystone.
            "neutron": openstack_image("neutron"),
        },
        databases=(
            Database("octavia"),
            Database("octavia_persistence", group="task_flow", option="persistence_connection"),
        ),
        user=ServiceUser("octavia"),
        roles=(
            "load-balancer_admin",
            "load-balancer_global_observer",
            "load-balancer_member",
            "load-balancer_observer",
            "load-balancer_quota_admin",
        ),
        # The key of this authority is for whoever provides the credentials: no Pod may read it.
        credentials=(Credential(name=CLIENT_AUTHORITY, keys=authority_keys("octavia"), readers=frozenset()),),
        conf=("octavia",),
        schemas="stackloom_openstack",
        programs="stackloom_openstack.octavia.programs",
    )
