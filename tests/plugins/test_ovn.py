from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]

NETWORK = {
    "backend": "ml2/ovn",
    "tunnel_interface": "ens4",
    "external_networks": [{"physnet": "physnet1", "interface": "ens5", "bridge": "br-ex", "network_types": ["flat"]}],
}
SERVICES = ["identity", "networking"]


class TestContract(ServiceContract):
    service = "ovn"
    spec: ClassVar[Mapping[str, Any]] = {"features": {"services": SERVICES, "neutron": NETWORK}}


def cloud(**spec: Any) -> dict[str, Any]:
    """A small cloud with networking by OVN, with what differs."""
    features = {"services": SERVICES, "neutron": NETWORK}
    return patched(patched(USUAL, {"spec": {"size": "small", "features": features}}), {"spec": spec})


def of_ovn(output: Iterable[Output]) -> dict[str, Any]:
    """The bodies of OVN's objects by kind and name."""
    return {f"{o.kind}/{o.name}": o.body for o in output if o.component == "ovn"}


def file(objects: dict[str, Any], key: str) -> Any:
    return json.loads(objects["ConfigMap/ovn-etc"]["data"][key])


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "ovn")


def pod(objects: dict[str, Any], path: str) -> dict[str, Any]:
    found: dict[str, Any] = objects[path]["spec"]["template"]["spec"]
    return found


def external_ids(objects: dict[str, Any], key: str) -> dict[str, str]:
    found: dict[str, str] = file(objects, key)["external_ids"]
    return found


def test_another_backend_has_nothing_of_it(manifests: Manifests):
    output = manifests(cloud(features={"neutron": {"backend": "ml2"}}))
    assert of_ovn(output) == {}
    assert not any("ovn" in str(o.body) for o in output if o.kind == "NetworkPolicy")


def test_clients_are_told_every_member_that_there_is(manifests: Manifests):
    single = of_ovn(manifests(cloud(size="single")))
    assert external_ids(single, "chassis.json")["ovn-remote"].count("ssl:") == 1
    five = {"networking": {"ovn": {"values": {"replicas": {"ovsdb-sb": 5}}}}}
    objects = of_ovn(manifests(cloud(services=five)))
    assert external_ids(objects, "chassis.json")["ovn-remote"].count("ssl:") == 5
    assert len(file(objects, "ovsdb-sb.json")["members"]) == objects["StatefulSet/ovn-ovsdb-sb"]["spec"]["replicas"] == 5
    assert len(file(objects, "ovsdb-nb.json")["members"]) == 3


def test_the_certificate_of_members_has_the_name_of_each_and_that_of_clients_none(manifests: Manifests):
    described = next(o.body for o in manifests(cloud()) if o.path == "credentials/ConfigMap/credentials")
    keys = {c["name"]: c["keys"]["tls.crt"] for c in json.loads(described["data"]["credentials.json"]) if "tls.crt" in c["keys"]}
    assert "text" not in keys["ovn-client-tls"]
    assert len(keys["ovn-member-tls"]["text"].split(",")) == 6


def test_only_gateways_offer_themselves_to_routers(manifests: Manifests):
    objects = of_ovn(manifests(cloud()))
    assert external_ids(objects, "chassis-gateway.json")["ovn-cms-options"] == "enable-chassis-as-gw"
    assert "ovn-cms-options" in file(objects, "chassis.json")["absent"]


def test_a_node_has_its_own_tunnel_and_one_controller_whatever_its_labels(manifests: Manifests):
    nodes = {"rack::r1": {"features": {"neutron": {"tunnel_interface": "bond0"}}}}
    objects = of_ovn(manifests(cloud(nodes=nodes)))
    found = sorted(path for path in objects if path.startswith("DaemonSet/ovn-controller"))
    roles = [path.partition("/ovn-")[2].partition("-rack")[0] for path in found]
    assert sorted(roles) == ["controller"] * 2 + ["controller-gateway"] * 2
    tunnels = {
        key: external_ids(objects, key)["ovn-encap-ip"] for key in objects["ConfigMap/ovn-etc"]["data"] if "chassis" in key
    }
    assert sorted(tunnels.values()) == ["@address:bond0@"] * 2 + ["@address:ens4@"] * 2


def test_an_override_of_gateways_makes_no_second_controller_on_them(manifests: Manifests):
    nodes = {"openstack-gateway::enabled": {"features": {"neutron": {"tunnel_interface": "bond0"}}}}
    objects = of_ovn(manifests(cloud(nodes=nodes)))
    sets = {path: pod(objects, path) for path in objects if path.startswith("DaemonSet/ovn-controller")}
    assert len(sets) == 2
    operators = {
        term["operator"]
        for spec in sets.values()
        for term in spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0][
            "matchExpressions"
        ]
    }
    assert operators == {"In", "NotIn"}


def test_without_external_networks_no_bridge_is_mapped(manifests: Manifests):
    objects = of_ovn(manifests(cloud(features={"neutron": {"external_networks": []}})))
    assert "ovn-bridge-mappings" in file(objects, "chassis.json")["absent"]


def test_northd_is_updated_after_those_who_read_what_it_writes(manifests: Manifests):
    objects = of_ovn(manifests(cloud()))
    wave = {path: int(body["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]) for path, body in objects.items()}
    before = [w for path, w in wave.items() if path.startswith(("DaemonSet/ovn-controller", "StatefulSet/"))]
    assert max(before) < wave["Deployment/ovn-northd"]


def test_its_level_of_logging_is_the_operators(manifests: Manifests):
    objects = of_ovn(manifests(cloud(features={"logging": {"ovn": {"level": "DEBUG"}}})))
    assert "-vconsole:dbg" in pod(objects, "Deployment/ovn-northd")["containers"][0]["command"]


def test_members_hold_no_certificate_that_nodes_have_and_the_other_way_round(manifests: Manifests):
    objects = of_ovn(manifests(cloud()))
    secrets = {path: str(pod(objects, path)["volumes"]) for path in objects if path.startswith(("DaemonSet", "StatefulSet"))}
    for path, volumes in secrets.items():
        own, others = ("ovn-member-tls", "ovn-client-tls")[:: 1 if path.startswith("StatefulSet") else -1]
        assert own in volumes
        assert others not in volumes
