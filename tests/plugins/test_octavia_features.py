from __future__ import annotations

from stackloom_openstack.octavia.features import OctaviaFeatures
from tests.plugins.cloud import CORE, cloud, problems

NO_FLOATING = {"neutron": {"floating_network": {"enabled": False}}}


def test_the_management_network_is_that_of_the_reference() -> None:
    network = cloud().features_of("octavia", OctaviaFeatures).lb_network
    assert network.model_dump() == {
        "name": "lb-mgmt-net",
        "subnets": [{"range": "10.255.0.0/16", "pool_start": "10.255.1.0", "pool_end": "10.255.255.254"}],
    }


def test_amphorae_carry_load_balancers() -> None:
    assert cloud().features_of("octavia", OctaviaFeatures).default_provider == "amphorav2"


def test_the_provider_ovn_goes_with_the_backend_ovn() -> None:
    octavia = {"octavia": {"default_provider": "ovn"}}
    assert problems(octavia) == ["spec.features.octavia.default_provider"]
    assert problems({**octavia, "neutron": {"backend": "ml2/ovn"}}) == []


def test_amphorae_go_with_ovn_too() -> None:
    assert problems({"octavia": {"default_provider": "amphorav2"}, "neutron": {"backend": "ml2/ovn"}}) == []


def test_tungsten_fabric_comes_without_load_balancers_and_is_refused_with_them() -> None:
    assert "load-balancer" not in cloud(NO_FLOATING, preset="compute-tf").selected
    wanted = {**NO_FLOATING, "services": [*CORE, "key-manager", "load-balancer"]}
    assert problems(wanted, preset="compute-tf") == ["spec.features.services"]


def test_several_subnets_that_do_not_overlap_are_taken_of_ipv6_too() -> None:
    subnets = [
        {"range": "10.255.0.0/17", "pool_start": "10.255.1.0", "pool_end": "10.255.2.0"},
        {"range": "10.255.128.0/17", "pool_start": "10.255.129.0", "pool_end": "10.255.130.0"},
        {"range": "2001:db8::/64", "pool_start": "2001:db8::10", "pool_end": "2001:db8::ffff"},
    ]
    assert problems({"octavia": {"lb_network": {"subnets": subnets}}}) == []


def test_load_balancers_need_a_key_manager() -> None:
    assert problems({"services": [*CORE, "load-balancer"]}) == ["spec.features.services"]
    assert problems({"services": [*CORE, "load-balancer", "key-manager"]}) == []
