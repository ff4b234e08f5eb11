"""Networking: Neutron, and Open vSwitch on all nodes that carry tenants' traffic."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Service, hookimpl
from stackloom_openstack.neutron.features import NeutronFeatures
from stackloom_openstack.neutron.node_features import NeutronNodeFeatures
from stackloom_openstack.neutron.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Neutron and Open vSwitch."""
    yield Service(
        name="neutron",
        log_level="DEBUG",  # the default of the CR's presets
        type="networking",
        features=NeutronFeatures,
        node_features=NeutronNodeFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf", "core"}),
        defaults={"compute-tf": {"backend": "tungstenfabric", "extensions": {"trunk": {"enabled": False}}}},
        requires=frozenset({"cache", "database", "identity", "messaging"}),
        uses=frozenset({"compute", "dns", "notifications", "placement"}),
        conf=("neutron", "dhcp_agent", "l3_agent", "metadata_agent"),
    )
    yield Service(
        name="openvswitch",
        type="networking",
        presets=frozenset({"compute", "compute-tf", "core"}),
    )
