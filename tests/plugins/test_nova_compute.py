from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackloom.constructs.variants import variants_of
from stackloom.spec.loader import load
from stackloom.spec.source import Source
from stackloom_openstack.nova.nodes import differs
from tests.bad_inputs import built_in_services, patched
from tests.plugins.compute import Made, Manifests, Snapshots, cloud, env_of, on_nodes

AGENT = "DaemonSet/nova-compute"
CARD = {"device": "ens7", "num_vfs": 8, "physnet": "physnet2", "trusted": "true"}
DPDK = {
    "enabled": True,
    "driver": "vfio-pci",
    "socket_memory": "1024,2048",
    "bridges": [{"name": "br-phy", "ip_address": "10.12.2.80/24"}],
    "nics": [{"name": "nic01", "pci_id": "0000:05:00.0", "bridge": "br-phy"}],
    "hugepages": {"size": "2Mi", "amount": "4Gi"},
}


def conf(manifests: Manifests, features: dict[str, Any] | None = None, **spec: Any) -> dict[str, dict[str, str]]:
    """nova.conf of compute nodes."""
    return Made(manifests(cloud({"nova": features or {}}, **spec)), "nova").conf("nova-compute.conf")


def test_nodes_of_every_kind(manifests: Manifests, assert_snapshots: Snapshots) -> None:
    nodes = on_nodes(
        r1={"nova": {"images": {"backend": "lvm"}, "vcpu_type": "Skylake-Server,Haswell", "allocation_ratios": {"cpu": 2.0}}},
        r2={"neutron": {"sriov": {"enabled": True, "nics": [CARD]}}},
        r3={"neutron": {"dpdk": DPDK}},
    )
    made = [o for o in manifests(cloud(nodes=nodes)) if o.component == "nova" and (o.kind == "DaemonSet" or o.name == "nova-etc")]
    assert_snapshots(made)


def test_compute_nodes_reach_no_database(manifests: Manifests) -> None:
    made = Made(manifests(cloud()), "nova")
    pod = made.pod(AGENT)
    variables = [name for c in [*pod["initContainers"], *pod["containers"]] for name in env_of(c)]
    assert [name for name in variables if "DATABASE" in name or "DB_" in name] == []
    assert not {"database", "api_database"} & made.conf("nova-compute.conf").keys()


def test_nothing_of_the_control_plane_restarts_compute_nodes(manifests: Manifests) -> None:
    assert not {"conductor", "scheduler", "filter_scheduler"} & conf(manifests).keys()


@pytest.mark.parametrize(
    ("chosen", "options"),
    [
        ("host-model", {"cpu_mode": "host-model"}),
        ("host-passthrough", {"cpu_mode": "host-passthrough"}),
        ("Skylake-Server,Haswell", {"cpu_mode": "custom", "cpu_models": "Skylake-Server,Haswell"}),
    ],
)
def test_servers_see_the_cpu_that_was_chosen(manifests: Manifests, chosen: str, options: dict[str, str]) -> None:
    libvirt = conf(manifests, {"vcpu_type": chosen})["libvirt"]
    assert {name: value for name, value in libvirt.items() if name.startswith("cpu")} == options


@pytest.mark.parametrize(("backend", "kind"), [("local", "qcow2"), ("qcow2", "qcow2"), ("raw", "raw"), ("lvm", "lvm")])
def test_disks_are_kept_as_chosen(manifests: Manifests, backend: str, kind: str) -> None:
    assert conf(manifests, {"images": {"backend": backend}})["libvirt"]["images_type"] == kind


def test_volumes_of_lvm_are_encrypted_as_chosen(manifests: Manifests) -> None:
    encryption = {"enabled": True, "cipher": "aes-xts-plain64", "key_size": 512}
    features = {"images": {"backend": "lvm", "lvm": {"volume_group": "fast"}, "encryption": encryption}}
    services = [*cloud()["spec"]["features"]["services"], "key-manager"]
    made = Made(manifests(cloud({"nova": features, "services": services})), "nova").conf("nova-compute.conf")
    assert made["libvirt"]["images_volume_group"] == "fast"
    assert made["ephemeral_storage_encryption"] == {"enabled": "true", "cipher": "aes-xts-plain64", "key_size": "512"}


def test_ratios_hold_for_a_node_that_registers(manifests: Manifests) -> None:
    default = conf(manifests, {"allocation_ratios": {"cpu": 3.0}})["DEFAULT"]
    assert default["initial_cpu_allocation_ratio"] == "3.0"
    assert "cpu_allocation_ratio" not in default


@pytest.mark.parametrize(("tls", "encrypted"), [(False, "false"), (True, "true")])
def test_servers_migrate_over_the_chosen_interface(manifests: Manifests, tls: bool, encrypted: str) -> None:
    libvirt = conf(manifests, {"libvirt": {"tls": {"enabled": tls}}})["libvirt"]
    assert libvirt["live_migration_inbound_addr"] == "@address:ens4@"
    assert (libvirt["live_migration_scheme"], libvirt["live_migration_with_native_tls"]) == ("tls", encrypted)


def test_consoles_listen_on_that_interface_alone(manifests: Manifests) -> None:
    made = conf(manifests, {"console": {"spice": {"enabled": True}}})
    assert {made[kind]["server_listen"] for kind in ("vnc", "spice")} == {"@address:ens4@"}


def test_an_operators_option_holds_on_compute_nodes_too_and_that_of_nodes_over_it(manifests: Manifests) -> None:
    def values(mode: str) -> dict[str, Any]:
        return {"compute": {"nova": {"values": {"conf": {"nova": {"libvirt": {"cpu_mode": mode}}}}}}}

    made = Made(manifests(cloud(services=values("none"), nodes={"rack::r1": {"services": values("host-passthrough")}})), "nova")
    files = sorted(key for key in made.bodies["ConfigMap/nova-etc"]["data"] if key.startswith("nova-compute"))
    assert [made.conf(key)["libvirt"]["cpu_mode"] for key in files] == ["host-passthrough", "none"]


def test_cards_that_the_network_shares_out_are_known_by_their_interface(manifests: Manifests) -> None:
    made = Made(manifests(cloud(nodes=on_nodes(r1={"neutron": {"sriov": {"enabled": True, "nics": [CARD]}}}))), "nova")
    (key,) = (key for key in made.bodies["ConfigMap/nova-etc"]["data"] if key.startswith("nova-compute-"))
    card = json.loads(made.conf(key)["pci"]["device_spec"])
    assert card == {"devname": "ens7", "physical_network": "physnet2", "trusted": "true"}
    assert "pci" not in made.conf("nova-compute.conf")


def test_a_switch_in_userspace_keeps_its_huge_pages(manifests: Manifests) -> None:
    made = Made(manifests(cloud(nodes=on_nodes(r1={"neutron": {"dpdk": DPDK}}))), "nova")
    (key,) = (key for key in made.bodies["ConfigMap/nova-etc"]["data"] if key.startswith("nova-compute-"))
    reserved = [line for line in made.file(key).splitlines() if line.startswith("reserved_huge_pages")]
    assert [line.partition(" = ")[2] for line in reserved] == ["node:0,size:2048,count:512", "node:1,size:2048,count:1024"]


RACKS, CPUS = ("r1", "r2", "r3"), ("amd", "intel")
OVERRIDES = st.lists(st.sampled_from([f"rack::{r}" for r in RACKS] + [f"cpu::{c}" for c in CPUS]), unique=True, max_size=5)
TUNNEL = {"neutron": {"tunnel_interface": "ens9"}}  # makes no difference here
DIFFERENCES = st.sampled_from(
    [
        {"nova": {"vcpu_type": "host-passthrough"}},
        TUNNEL,
        {"nova": {"images": {"backend": "raw"}}, "neutron": {"sriov": {"enabled": True, "nics": [CARD]}}},
    ]
)
NODES = st.fixed_dictionaries({}, optional={"rack": st.sampled_from(RACKS), "cpu": st.sampled_from(CPUS)})


@settings(max_examples=30, deadline=None)
@given(labels=OVERRIDES, data=st.data(), inventory=st.lists(NODES, min_size=1, max_size=8))
def test_every_node_is_served_by_one_variant_of_each_agent_and_the_first_that_fits(
    labels: list[str], data: st.DataObject, inventory: list[dict[str, str]]
) -> None:
    nodes = {label: {"features": data.draw(DIFFERENCES)} for label in labels}
    services = built_in_services()
    deployment = load(Source.from_mapping(patched(cloud(), {"spec": {"nodes": nodes}})), services)
    for name, beside, apart in (("nova", ["neutron"], differs), ("libvirt", [], None)):
        variants = variants_of(deployment, next(s for s in services if s.name == name), apart, beside)
        concerned = [label for label in labels if {"nova", *beside} & nodes[label]["features"].keys()]
        for node in inventory:
            (serving,) = [v for v in variants if v.matches(node)]
            fitting = [label for label in concerned if node.get(label.partition("::")[0]) == label.partition("::")[2]]
            first = nodes[fitting[0]]["features"] if fitting else {}
            assert serving.label == (fitting[0] if first and first != TUNNEL else "::")
