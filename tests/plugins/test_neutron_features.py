from __future__ import annotations

from typing import Any

import pytest

from stackloom_openstack.neutron.features import NeutronFeatures
from stackloom_openstack.neutron.node_features import NeutronNodeFeatures
from tests.plugins.cloud import cloud, problems

PATH = "spec.features.neutron"
NO_FLOATING: dict[str, Any] = {"floating_network": {"enabled": False}}
VLANS = {"physnet": "physnet2", "interface": "ens5", "bridge": "br-prv", "network_types": ["vlan"], "vlan_ranges": "400:600"}
DPDK: dict[str, Any] = {
    "enabled": True,
    "driver": "vfio-pci",
    "bridges": [{"name": "br-phy", "ip_address": "10.12.2.80/24"}],
    "nics": [{"name": "nic01", "pci_id": "0000:05:00.0", "bridge": "br-phy"}],
}


def neutron(preset: str = "compute", **features: Any) -> NeutronFeatures:
    return cloud({"neutron": features}, preset=preset).features_of("neutron", NeutronFeatures)


def on_nodes(**features: Any) -> dict[str, Any]:
    return {"rack::r1": {"features": {"neutron": features}}}


def test_the_defaults_are_those_of_the_reference() -> None:
    features = neutron()
    assert (features.backend, features.dvr.enabled, features.extensions.trunk.enabled) == ("ml2", False, True)
    assert (features.floating_network.name, features.floating_network.router.name) == ("public", "r1")
    assert features.floating_network.subnet is not None
    assert features.floating_network.subnet.name == "public-subnet"


def test_the_preset_compute_tf_means_tungsten_fabric_which_brings_its_own_trunk_ports() -> None:
    features = neutron("compute-tf", **NO_FLOATING)
    assert (features.backend, features.extensions.trunk.enabled) == ("tungstenfabric", False)


def test_an_operator_overrules_the_preset() -> None:
    assert neutron("compute-tf", **NO_FLOATING, extensions={"trunk": {"enabled": True}}).extensions.trunk.enabled


def test_tungsten_fabric_needs_no_physical_network_for_floating_addresses() -> None:
    floating = {"physnet": None, "network_type": None}
    assert problems({"neutron": {"floating_network": floating}}, preset="compute-tf") == []
    whole = {"physnet": "physnet1", "network_type": "vlan", "segmentation_id": 100}
    assert problems({"neutron": {"floating_network": whole}}, preset="compute-tf") == []


def test_what_is_not_supported_yet_may_be_there_as_long_as_it_is_off() -> None:
    off = {
        "bgpvpn": {"enabled": False},
        "ipsec": {"enabled": False},
        "extensions": {"vpnaas": {"enabled": False}, "dynamic_routing": {"enabled": False}},
        "baremetal": {"ngs": {"hardware": {}, "devices": []}},
    }
    assert problems({"neutron": off}) == []


@pytest.mark.parametrize("ranges", ["1:4094", "400:400", "100:200,300:400"])
def test_ranges_of_vlans_are_taken(ranges: str) -> None:
    assert neutron(external_networks=[{**VLANS, "vlan_ranges": ranges}], **NO_FLOATING).external_networks[0].vlan_ranges == ranges


@pytest.mark.parametrize("ranges", ["", "400", "400:", ":600", "400-600", "0:1", "4094:4095", "2:1", "1:2,", "a:b", "1:2:3"])
def test_what_is_no_range_of_vlans_is_refused(ranges: str) -> None:
    network = {**VLANS, "vlan_ranges": ranges}
    assert problems({"neutron": {"external_networks": [network], **NO_FLOATING}}) == [f"{PATH}.external_networks[0].vlan_ranges"]


def test_a_floating_network_may_be_a_vlan() -> None:
    assert (
        problems({"neutron": {"floating_network": {"physnet": "physnet2", "network_type": "vlan", "segmentation_id": 700}}}) == []
    )


def test_a_floating_network_may_have_addresses_of_ipv6() -> None:
    subnet = {"range": "2001:db8::/64", "pool_start": "2001:db8::100", "pool_end": "2001:db8::ffff", "gateway": "2001:db8::1"}
    assert problems({"neutron": {"floating_network": {"subnet": subnet}}}) == []


def test_the_subnet_is_looked_at_even_where_the_floating_network_is_off() -> None:
    floating = {"enabled": False, "subnet": {"gateway": "10.11.99.1"}}
    assert problems({"neutron": {"floating_network": floating}}) == [f"{PATH}.floating_network.subnet.gateway"]


def test_geneve_goes_with_ovn() -> None:
    assert problems({"neutron": {"backend": "ml2/ovn", "tenant_network_types": ["geneve", "vlan"]}}) == []


def test_a_cloud_without_external_networks_is_closed_but_sound() -> None:
    assert problems({"neutron": {"external_networks": [], **NO_FLOATING}}) == []


def test_several_problems_are_told_together() -> None:
    features = {
        "backend": "tungstenfabric",
        "external_networks": [VLANS, {**VLANS, "physnet": "physnet3"}],
        "tenant_network_types": ["geneve", "geneve"],
        "floating_network": {"subnet": {"pool_start": "10.0.0.1", "gateway": "10.0.0.2"}},
    }
    assert set(problems({"neutron": features})) == {
        f"{PATH}.backend",
        f"{PATH}.external_networks[1].bridge",
        f"{PATH}.external_networks[1].interface",
        f"{PATH}.floating_network.subnet.gateway",
        f"{PATH}.floating_network.subnet.pool_start",
        f"{PATH}.tenant_network_types[0]",
        f"{PATH}.tenant_network_types[1]",
    }


def test_dpdk_and_sriov_on_nodes_are_taken() -> None:
    sriov = {"enabled": True, "nics": [{"device": "ens7", "num_vfs": 8, "physnet": "physnet1", "trusted": "true", "mtu": 9000}]}
    bonds = [{"name": "bond0", "bridge": "br-phy", "nics": [{"name": "nic02", "pci_id": "0000:05:00.1"}]}]
    own = cloud(nodes=on_nodes(dpdk={**DPDK, "bonds": bonds}, sriov=sriov)).spec.nodes["rack::r1"].features["neutron"]
    assert isinstance(own, NeutronNodeFeatures)
    assert own.dpdk is not None
    assert (own.dpdk.hugepages.size, own.dpdk.hugepages.amount, own.dpdk.socket_memory) == ("2Mi", "1Gi", "1024")


def test_a_truth_value_is_as_good_as_the_text_that_the_reference_wants() -> None:
    own = cloud(nodes=on_nodes(sriov={"enabled": True, "nics": [{"device": "ens7", "num_vfs": 8, "trusted": True}]}))
    assert own.spec.nodes["rack::r1"].features["neutron"].sriov.nics[0].trusted == "true"


def test_what_is_off_on_nodes_need_not_be_whole() -> None:
    assert problems(nodes=on_nodes(dpdk={"enabled": False, "driver": "vfio-pci"}, sriov={"enabled": False})) == []


def test_dpdk_needs_open_vswitch() -> None:
    for backend, preset in (("ml2/ovn", "compute"), ("tungstenfabric", "compute-tf")):
        features = {"neutron": {"backend": backend, **NO_FLOATING}}
        assert problems(features, preset=preset, nodes=on_nodes(dpdk=DPDK)) == [
            "spec.nodes.rack::r1.features.neutron.dpdk.enabled"
        ]
