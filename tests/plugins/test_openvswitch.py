from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.plugins.networks import DPDK, cloud, on_nodes, pod_of

Manifests = Callable[[dict[str, Any]], list[Output]]


class TestContract(ServiceContract):
    service = "openvswitch"
    spec: ClassVar[dict[str, Any]] = {"features": {"neutron": {"tunnel_interface": "ens3"}}}


def bridges(output: list[Output], key: str = "bridges.json") -> dict[str, Any]:
    (etc,) = (o.body["data"] for o in output if o.path == "openvswitch/ConfigMap/openvswitch-etc")
    return json.loads(etc[key])  # type: ignore[no-any-return]


def test_each_external_network_has_its_bridge(manifests: Manifests):
    made = bridges(manifests(cloud()))
    assert made["bridges"] == {"br-ex": {"ports": [{"name": "ens4"}]}, "br-prv": {"ports": [{"name": "ens5"}]}}
    assert made["datapath"] == "system"


def test_bridges_are_of_the_kind_that_the_operator_tells_the_agents(manifests: Manifests):
    values = {"conf": {"openvswitch_agent": {"ovs": {"datapath_type": "netdev"}}}}
    output = manifests(cloud(services={"networking": {"neutron": {"values": values}}}))
    assert bridges(output)["datapath"] == "netdev"


def test_a_card_of_dpdk_takes_the_place_of_an_interface(manifests: Manifests):
    dpdk = {
        **DPDK,
        "bridges": [{"name": "br-ex", "ip_address": "10.12.2.80/24"}],
        "nics": [{**DPDK["nics"][0], "bridge": "br-ex"}],
    }
    output = manifests(cloud(nodes=on_nodes(r1={"dpdk": dpdk})))
    (key,) = (o.body["data"] for o in output if o.path == "openvswitch/ConfigMap/openvswitch-etc")
    (own,) = (name for name in key if name.startswith("bridges-"))
    made = bridges(output, own)
    assert made["bridges"]["br-ex"] == {"address": "10.12.2.80/24", "ports": [{"name": "nic01", "pci": "0000:05:00.0"}]}
    assert made["datapath"] == "netdev"


def test_a_bond_is_plugged_in_with_its_options(manifests: Manifests):
    nics = [{"name": f"nic1{i}", "pci_id": f"0000:05:00.{i}"} for i in (1, 2)]
    bond = {"name": "bond0", "bridge": "br-phy", "nics": nics, "ovs_options": "bond_mode=active-backup lacp=off"}
    output = manifests(cloud(nodes=on_nodes(r1={"dpdk": {**DPDK, "bonds": [bond]}})))
    (etc,) = (o.body["data"] for o in output if o.path == "openvswitch/ConfigMap/openvswitch-etc")
    (own,) = (name for name in etc if name.startswith("bridges-"))
    ports = bridges(output, own)["bridges"]["br-phy"]["ports"]
    assert ports[1]["options"] == ["bond_mode=active-backup", "lacp=off"]
    assert [member["pci"] for member in ports[1]["members"]] == ["0000:05:00.1", "0000:05:00.2"]


def test_pages_of_dpdk_are_asked_of_the_node(manifests: Manifests):
    output = manifests(cloud(nodes=on_nodes(r1={"dpdk": {**DPDK, "hugepages": {"size": "1Gi", "amount": "4Gi"}}})))
    (name,) = (o.name for o in output if o.kind == "DaemonSet" and o.name.startswith("openvswitch-rack"))
    main = pod_of(output, f"openvswitch/DaemonSet/{name}")["containers"][0]
    assert main["resources"]["limits"]["hugepages-1Gi"] == main["resources"]["requests"]["hugepages-1Gi"] == "4Gi"
    assert main["image"].endswith("-dpdk")


def test_an_override_without_dpdk_restarts_no_switch(manifests: Manifests):
    usual = {o.path: o.body for o in manifests(cloud()) if o.component == "openvswitch"}
    output = manifests(cloud(nodes=on_nodes(r1={"tunnel_interface": "ens9"})))
    assert {o.path: o.body for o in output if o.component == "openvswitch"} == usual


def test_a_new_external_network_restarts_no_switch(manifests: Manifests):
    network = {"physnet": "physnet3", "interface": "ens6", "bridge": "br-new", "network_types": ["flat"]}
    more = cloud({"external_networks": [*cloud()["spec"]["features"]["neutron"]["external_networks"], network]})
    before, after = (pod_of(manifests(c), "openvswitch/DaemonSet/openvswitch") for c in (cloud(), more))
    assert before == after
