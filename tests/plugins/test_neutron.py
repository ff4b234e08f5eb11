from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stackloom import Endpoint, Image, Output, Service, StackloomError, hookimpl
from stackloom.plugins import Plugins, load
from stackloom.testing.suite import ServiceContract
from tests.core.constructs.test_variants import affinity_matches
from tests.plugins.networks import DPDK, FLOATING, SRIOV, cloud, conf, on_nodes, pod_of

Manifests = Callable[..., list[Output]]
Snapshots = Callable[[Iterable[Output]], None]


class TestContract(ServiceContract):
    service = "neutron"
    spec: ClassVar[dict[str, Any]] = {"features": {"neutron": {"tunnel_interface": "ens3"}}}


def names(output: list[Output], kind: str, component: str = "neutron") -> set[str]:
    return {o.name for o in output if o.kind == kind and o.component == component}


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component in ("neutron", "openvswitch"))


def test_open_vswitch_with_its_agents_on_nodes(manifests: Manifests):
    agents = {"neutron-openvswitch-agent", "neutron-dhcp-agent", "neutron-l3-agent"}
    assert names(manifests(cloud()), "DaemonSet") == agents
    assert names(manifests(cloud()), "Deployment") == {"neutron-server", "neutron-rpc-server", "neutron-periodic-workers"}


def test_workers_of_the_api_know_when_they_started(manifests: Manifests):
    (etc,) = (o.body["data"] for o in manifests(cloud()) if o.path == "neutron/ConfigMap/neutron-etc")
    assert "start-time = %t\n" in etc["neutron-server-uwsgi.ini"]


def test_the_types_of_networks_follow_from_what_nodes_are_wired_to(manifests: Manifests):
    plugin = conf(manifests(cloud({"tenant_network_types": ["vxlan", "vlan"]})), "ml2_conf.conf")
    assert plugin["ml2_type_flat"] == {"flat_networks": "physnet1"}
    assert plugin["ml2_type_vlan"] == {"network_vlan_ranges": "physnet2:400:600,physnet2:700:710"}
    assert plugin["ml2"]["project_network_types"] == "vxlan,vlan"


def test_a_network_without_vlans_for_tenants_is_there_for_administrators(manifests: Manifests):
    network = {"physnet": "physnet1", "interface": "ens4", "bridge": "br-ex", "network_types": ["flat", "vlan"], "mtu": 9000}
    plugin = conf(manifests(cloud({"external_networks": [network]})), "ml2_conf.conf")
    assert plugin["ml2_type_vlan"] == {"network_vlan_ranges": "physnet1"}
    assert plugin["ml2"]["physical_network_mtus"] == "physnet1:9000"


def test_routers_stand_by_on_a_second_gateway_where_there_is_one(manifests: Manifests):
    small, single = (conf(manifests(cloud(size=size)), "neutron.conf")["DEFAULT"] for size in ("small", "single"))
    assert (small["l3_ha"], small["dhcp_agents_per_network"]) == ("true", "2")
    assert "l3_ha" not in single
    assert single["dhcp_agents_per_network"] == "1"


def test_distributed_routing_puts_routers_on_compute_nodes_that_are_no_gateways(manifests: Manifests):
    output = manifests(cloud({"dvr": {"enabled": True}}))
    assert conf(output, "l3_agent.conf")["DEFAULT"]["agent_mode"] == "dvr_snat"
    assert conf(output, "l3_agent-compute.conf")["DEFAULT"]["agent_mode"] == "dvr"
    pod = pod_of(output, "neutron/DaemonSet/neutron-l3-agent-compute")
    assert pod["nodeSelector"] == {"openstack-compute-node": "enabled"}
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "openstack-gateway", "operator": "NotIn", "values": ["enabled"]}]
    main = conf(output, "neutron.conf")["DEFAULT"]
    assert (main["router_distributed"], main.get("l3_ha")) == ("true", None)


def test_nodes_hold_no_account_but_that_of_the_bus(manifests: Manifests):
    output = manifests(cloud(nodes=on_nodes(r1={"sriov": SRIOV})))
    secrets = {
        source["secretKeyRef"]["name"]
        for name in names(output, "DaemonSet")
        for container in _containers(pod_of(output, f"neutron/DaemonSet/{name}"))
        for e in container.get("env", ())
        if "secretKeyRef" in (source := e.get("valueFrom", {}))
    }
    assert secrets == {"neutron-messaging"}
    agent = conf(output, "agent-neutron.conf")
    assert not agent.keys() & {"keystone_authtoken", "database", "nova", "placement"}


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def test_namespaces_are_the_nodes_and_outlast_an_agent(manifests: Manifests):
    output = manifests(cloud())
    for name in ("neutron-l3-agent", "neutron-dhcp-agent"):
        pod = pod_of(output, f"neutron/DaemonSet/{name}")
        mounts = {m["mountPath"]: m for m in pod["containers"][0]["volumeMounts"]}
        assert mounts["/run/netns"]["mountPropagation"] == "Bidirectional"
        volumes = {v["name"]: v.get("hostPath", {}).get("path") for v in pod["volumes"]}
        assert volumes[mounts["/var/lib/neutron"]["name"]] == "/var/lib/neutron"


def test_what_a_restart_would_interrupt_restarts_when_the_operator_says(manifests: Manifests):
    sets = {o.name: o.body["spec"]["updateStrategy"]["type"] for o in manifests(cloud()) if o.kind == "DaemonSet"}
    assert {name for name, strategy in sets.items() if strategy == "OnDelete" and not name.startswith("image-cache")} == {
        "openvswitch",
        "neutron-l3-agent",
    }


def test_only_those_who_make_namespaces_are_privileged(manifests: Manifests):
    output = manifests(cloud())
    privileged = {
        name
        for component in ("neutron", "openvswitch")
        for name in names(output, "DaemonSet", component)
        for c in _containers(pod_of(output, f"{component}/DaemonSet/{name}"))
        if c["securityContext"].get("privileged")
    }
    assert privileged == {"neutron-l3-agent", "neutron-dhcp-agent"}


def test_a_rack_with_another_tunnel_interface_has_its_own_switch_agent_and_nothing_else(manifests: Manifests):
    output = manifests(cloud(nodes=on_nodes(r1={"tunnel_interface": "ens9"})))
    usual = {f"neutron/{name}" for name in names(manifests(cloud()), "DaemonSet")}
    (added,) = {f"neutron/{name}" for name in names(output, "DaemonSet")} - usual
    assert added.startswith("neutron/neutron-openvswitch-agent-")
    suffix = added.removeprefix("neutron/neutron-openvswitch-agent")
    assert conf(output, f"openvswitch_agent{suffix}.conf")["ovs"]["local_ip"] == "@address:ens9@"
    assert names(output, "DaemonSet", "openvswitch") == {"openvswitch", "openvswitch-bridges"}


def test_options_for_some_nodes_reach_the_agents_that_read_them(manifests: Manifests):
    values = {"values": {"conf": {"l3_agent": {"DEFAULT": {"rpc_response_max_timeout": 900}}}}}
    output = manifests(cloud(nodes={"rack::r1": {"services": {"networking": {"neutron": values}}}}))
    (added,) = names(output, "DaemonSet") - names(manifests(cloud()), "DaemonSet")
    suffix = added.removeprefix("neutron-l3-agent")
    assert conf(output, f"l3_agent{suffix}.conf")["DEFAULT"]["rpc_response_max_timeout"] == "900"


def test_virtual_functions_are_made_before_their_agent_starts(manifests: Manifests):
    output = manifests(cloud(nodes=on_nodes(r1={"sriov": SRIOV})))
    (name,) = (name for name in names(output, "DaemonSet") if "sriov" in name)
    assert [c["name"] for c in pod_of(output, f"neutron/DaemonSet/{name}")["initContainers"]] == ["gate", "virtual-functions"]
    assert conf(output, "ml2_conf.conf")["ml2"]["mechanism_drivers"] == "openvswitch,l2population,sriovnicswitch"
    suffix = name.removeprefix("neutron-sriov-agent")
    assert conf(output, f"sriov_agent{suffix}.conf")["sriov_nic"] == {"physical_device_mappings": "physnet2:ens7"}


def test_dpdk_is_the_switch_of_the_nodes_that_have_it(manifests: Manifests, assert_snapshots: Snapshots):
    output = manifests(cloud(nodes=on_nodes(r1={"dpdk": DPDK, "tunnel_interface": "br-phy"})))
    usual = {o.path: o.body for o in manifests(cloud())}
    assert_snapshots(o for o in output if o.component in ("neutron", "openvswitch") and usual.get(o.path) != o.body)


def test_tungsten_fabric_has_the_server_alone(manifests: Manifests, assert_snapshots: Snapshots):
    output = manifests(cloud({"floating_network": {"enabled": False}}, preset="compute-tf"))
    assert "openvswitch" not in {o.component for o in output}
    assert names(output, "DaemonSet") == set()
    assert_snapshots(o for o in output if o.component == "neutron" and o.kind in ("ConfigMap", "Deployment"))


def test_ovn_has_the_server_and_its_maintenance_and_no_agent(manifests: Manifests):
    output = manifests(cloud({"backend": "ml2/ovn"}))
    assert names(output, "DaemonSet") == set()
    assert names(output, "Deployment") == {"neutron-server", "neutron-periodic-workers", "neutron-ovn-maintenance-worker"}
    assert conf(output, "neutron.conf")["DEFAULT"]["service_plugins"].startswith("ovn-router,")
    plugin = conf(output, "ml2_conf.conf")
    assert plugin["ml2"]["mechanism_drivers"] == "ovn"
    domain = "ovn-ovsdb-nb-members.openstack.svc.cluster.local:6641"
    assert plugin["ovn"]["ovn_nb_connection"] == ",".join(f"ssl:ovn-ovsdb-nb-{i}.{domain}" for i in range(3))
    assert names(output, "DaemonSet", "openvswitch") == {"openvswitch", "openvswitch-bridges"}


def test_cards_beside_ovn_have_an_agent_that_calls_the_server(manifests: Manifests):
    output = manifests(cloud({"backend": "ml2/ovn"}, nodes=on_nodes(r1={"sriov": SRIOV})))
    assert "neutron-rpc-server" in names(output, "Deployment")
    assert [name for name in names(output, "DaemonSet") if name.startswith("neutron-sriov-agent")]


def test_nova_is_told_of_ports_only_where_it_is(manifests: Manifests):
    main = conf(manifests(cloud()), "neutron.conf")
    assert main["DEFAULT"]["notify_nova_on_port_status_changes"] == "false"
    assert "nova" not in main


def test_placement_accounts_for_bandwidth_where_it_is(manifests: Manifests):
    features = {"services": ["identity", "networking", "placement"]}
    output = manifests(cloud(features={**cloud()["spec"]["features"], **features}))
    main = conf(output, "neutron.conf")
    assert "placement" in main["DEFAULT"]["service_plugins"].split(",")
    assert (main["placement"]["endpoint_type"], main["placement"]["username"]) == ("internal", "neutron")
    env = {e["name"] for e in pod_of(output, "neutron/Deployment/neutron-server")["containers"][0]["env"]}
    assert "OS_PLACEMENT__PASSWORD" in env


def test_agents_of_a_large_cloud_report_less_often(manifests: Manifests):
    output = manifests(cloud(size="medium"))
    assert conf(output, "agent-neutron.conf")["agent"]["report_interval"] == "60"
    assert conf(output, "neutron.conf")["DEFAULT"]["agent_down_time"] == "190"


def test_the_floating_network_is_made_as_the_clouds_administrator(manifests: Manifests):
    floating = {**FLOATING, "physnet": "physnet2", "network_type": "vlan", "segmentation_id": 700}
    output = manifests(cloud({"floating_network": floating}))
    (etc,) = (o.body["data"] for o in output if o.path == "neutron/ConfigMap/neutron-etc")
    assert '"provider:segmentation_id": 700' in etc["floating_network.json"]
    (job,) = (o for o in output if o.labels.get("stackloom.io/job") == "neutron-floating-network")
    assert job.labels["stackloom.io/task"] == "catalogue"


def test_trunk_ports_may_be_left_out(manifests: Manifests):
    main = conf(manifests(cloud({"extensions": {"trunk": {"enabled": False}}})), "neutron.conf")
    assert main["DEFAULT"]["service_plugins"] == "router,qos,port_forwarding,segments"


def test_probing_ports_is_refused(manifests: Manifests):
    with pytest.raises(StackloomError, match="portprober, of which no package is published"):
        manifests(cloud({"extensions": {"portprober": {"enabled": True}}}))


class AnyCompute:
    """A service in Nova's place, of which Neutron's agents know the address and nothing else."""

    @staticmethod
    @hookimpl
    def stackloom_services() -> Iterable[Service]:
        yield Service(
            name="computing",
            type="compute",
            build=lambda ctx: ctx.api(command=["serve"], endpoint="metadata"),
            requires=frozenset({"messaging"}),
            endpoints=(Endpoint(service="computing-metadata", port=8775, name="metadata"),),
            images={"computing": Image("registry.example.org/computing", "1")},
        )


def with_compute(**neutron: Any) -> tuple[dict[str, Any], Plugins]:
    usual = cloud(neutron)["spec"]["features"]
    everything = cloud(features={**usual, "services": ["identity", "networking", "compute"]})
    return everything, load(disabled=["nova"], extra={"computing": AnyCompute()})


def test_servers_are_answered_by_an_agent_that_shares_a_secret_with_nova(manifests: Manifests):
    deployment, plugins = with_compute(dvr={"enabled": True})
    output = manifests(deployment, plugins=plugins)
    found = conf(output, "metadata_agent.conf")["DEFAULT"]
    assert found["nova_metadata_host"] == "computing-metadata.openstack.svc.cluster.local"
    for name in ("neutron-metadata-agent", "neutron-metadata-agent-compute"):
        env = {e["name"]: e for e in pod_of(output, f"neutron/DaemonSet/{name}")["containers"][0]["env"]}
        source = env["OS_DEFAULT__METADATA_PROXY_SHARED_SECRET"]["valueFrom"]["secretKeyRef"]
        assert source == {"name": "neutron-metadata", "key": "secret"}
    assert conf(output, "dhcp_agent.conf")["DEFAULT"]["enable_isolated_metadata"] == "true"


KEYS, VALUES = st.sampled_from(["rack", "zone"]), st.sampled_from(["a", "b"])
KINDS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "tunnel": {"tunnel_interface": "ens9"},
    "dpdk": {"dpdk": DPDK},
    "sriov": {"sriov": SRIOV},
    "off": {"sriov": {"enabled": False}},
}
OVERRIDES = st.dictionaries(st.builds("{}::{}".format, KEYS, VALUES), st.sampled_from(sorted(KINDS)), max_size=4)
NODES = st.lists(
    st.tuples(
        st.dictionaries(KEYS, VALUES), st.sets(st.sampled_from(["openvswitch", "openstack-gateway", "openstack-compute-node"]))
    ),
    min_size=1,
    max_size=6,
)


@settings(  # each example is a whole cloud: too dear to look for a smaller one that fails as well
    max_examples=10, deadline=None, phases=(Phase.generate,), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(OVERRIDES, NODES, st.booleans())
def test_every_node_of_any_inventory_runs_each_of_its_agents_once(
    manifests: Manifests, overrides: dict[str, str], nodes: list[tuple[dict[str, str], set[str]]], dvr: bool
):
    given_nodes = {label: {"features": {"neutron": copy.deepcopy(KINDS[kind])}} for label, kind in overrides.items()}
    output = manifests(cloud({"dvr": {"enabled": dvr}}, nodes=given_nodes))
    for labels, roles in nodes:
        node = {**labels, **dict.fromkeys(roles, "enabled")}
        ran = Counter(agent.removesuffix("-compute") for agent in agents_on(output, node))
        wanted = {"openvswitch-agent", "vswitchd", "bridges"} if "openvswitch" in roles else set()
        wanted |= {"l3-agent", "dhcp-agent"} if "openstack-gateway" in roles else set()
        wanted |= {"l3-agent"} if dvr and "openstack-compute-node" in roles else set()
        assert {agent: count for agent, count in ran.items() if agent != "sriov-agent"} == dict.fromkeys(wanted, 1)
        assert ran["sriov-agent"] <= 1
        assert switches_alike(output, node)


def agents_on(output: list[Output], node: dict[str, str]) -> list[str]:
    """The agents that the scheduler puts on a node, one entry for each Pod."""
    return [o.labels["stackloom.io/agent"] for o in sets_on(output, node)]


def sets_on(output: list[Output], node: dict[str, str]) -> list[Output]:
    sets = [o for o in output if o.kind == "DaemonSet" and o.component in ("neutron", "openvswitch")]
    return [o for o in sets if is_run_by(o.body["spec"]["template"]["spec"], node)]


def is_run_by(pod: dict[str, Any], node: dict[str, str]) -> bool:
    return pod["nodeSelector"].items() <= node.items() and affinity_matches(pod.get("affinity"), node)


def switches_alike(output: list[Output], node: dict[str, str]) -> bool:
    """Whether the agent of a node expects of its switch what it is: one in userspace, or the kernel's."""
    found = {o.labels["stackloom.io/agent"]: o for o in sets_on(output, node)}
    if "vswitchd" not in found:
        return True
    switch = found["vswitchd"].body["spec"]["template"]["spec"]["containers"][0]["image"].endswith("-dpdk")
    suffix = found["openvswitch-agent"].name.removeprefix("neutron-openvswitch-agent")
    return switch == (conf(output, f"openvswitch_agent{suffix}.conf")["ovs"].get("datapath_type") == "netdev")
