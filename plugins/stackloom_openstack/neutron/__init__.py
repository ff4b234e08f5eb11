"""Networking: Neutron, and Open vSwitch on all nodes that carry tenants' traffic."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import ConfFile, Database, Endpoint, Image, Service, ServiceUser, hookimpl, openstack_image
from stackloom_openstack.neutron import openvswitch
from stackloom_openstack.neutron.build import build
from stackloom_openstack.neutron.features import NeutronFeatures
from stackloom_openstack.neutron.node_features import NeutronNodeFeatures
from stackloom_openstack.neutron.rules import rules

_CONF = (
    "neutron",
    ConfFile("ml2_conf", schema="neutron-ml2"),
    ConfFile("openvswitch_agent", schema="neutron-openvswitch-agent"),
    ConfFile("dhcp_agent", schema="neutron-dhcp-agent"),
    ConfFile("l3_agent", schema="neutron-l3-agent"),
    ConfFile("metadata_agent", schema="neutron-metadata-agent"),
    ConfFile("sriov_agent", schema="neutron-sriov-agent"),
)


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Neutron and Open vSwitch."""
    yield Service(
        name="neutron",
        log_level="DEBUG",  # the default of the CR's presets
        type="networking",
        build=build,
        features=NeutronFeatures,
        node_features=NeutronNodeFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf", "core"}),
        defaults={"compute-tf": {"backend": "tungstenfabric", "extensions": {"trunk": {"enabled": False}}}},
        requires=frozenset({"cache", "database", "identity", "messaging"}),
        uses=frozenset({"compute", "dns", "networking", "notifications", "placement"}),  # networking: the databases of OVN
        endpoints=(Endpoint(service="neutron-server", port=9696, type="network", public="neutron"),),
        images={
            "neutron": openstack_image("neutron"),
            "tungstenfabric": Image("docker.io/opencontrailnightly/contrail-openstack-neutron-init", "master-latest"),
        },
        databases=(Database("neutron"),),
        user=ServiceUser("neutron"),
        conf=_CONF,
        schemas="stackloom_openstack",
        programs="stackloom_openstack.neutron.programs",
    )
    yield Service(
        name="openvswitch",
        type="networking",
        build=openvswitch.build,
        presets=frozenset({"compute", "compute-tf", "core"}),
        images={
            "openvswitch": Image("quay.io/airshipit/openvswitch", "latest-ubuntu_noble"),
            "openvswitch-dpdk": Image("quay.io/airshipit/openvswitch", "latest-ubuntu_noble-dpdk"),
        },
        programs="stackloom_openstack.neutron.programs",
    )
