"""What NetworkPolicies let through, between two Pods: a client and a server."""

from __future__ import annotations

from typing import Any

import pytest

from stackloom.checks.index import Index
from stackloom.checks.policies import Policies
from stackloom.model.output import Output

FROM_CLIENT = {"podSelector": {"matchLabels": {"application": "client"}}}
TO_SERVER = {"podSelector": {"matchExpressions": [{"key": "application", "operator": "In", "values": ["server", "other"]}]}}
HTTP, NAMED, RANGE = ({"port": 80}, {"port": "http"}, {"port": 70, "endPort": 90})


def pod(name: str, namespace: str = "openstack", **spec: Any) -> Output:
    container = {"name": name, "ports": [{"name": "http", "containerPort": 80}]}
    template = {"metadata": {"labels": {"application": name}}, "spec": {"containers": [container], **spec}}
    return Output("c", {"kind": "Deployment", "metadata": {"name": name, "namespace": namespace}, "spec": {"template": template}})


def policy(name: str, pods: dict[str, Any], **spec: Any) -> Output:
    selector = {"matchLabels": pods} if pods else {}
    body = {
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "openstack"},
        "spec": {"podSelector": selector, **spec},
    }
    return Output("c", body)


def ingress(*peers: dict[str, Any], ports: tuple[dict[str, Any], ...] = (HTTP,)) -> Output:
    rule = {"ports": list(ports), **({"from": list(peers)} if peers else {})}
    return policy("server", {"application": "server"}, policyTypes=["Ingress"], ingress=[rule])


DENY = policy("deny", {}, policyTypes=["Ingress", "Egress"])
EGRESS = policy("client", {"application": "client"}, policyTypes=["Egress"], egress=[{"to": [TO_SERVER], "ports": [HTTP]}])


def is_open(*policies: Output, client: Output | None = None, port: int = 80) -> bool:
    index = Index([client or pod("client"), pod("server"), *policies])
    source, target = index.workloads
    return Policies(index).allow(source, target, port)


def test_without_policies_everything_is_open():
    assert is_open()


def test_what_is_denied_to_all_is_opened_by_a_rule_on_either_side():
    assert not is_open(DENY)
    assert not is_open(DENY, EGRESS)
    assert not is_open(DENY, ingress(FROM_CLIENT))
    assert is_open(DENY, EGRESS, ingress(FROM_CLIENT))


@pytest.mark.parametrize("ports", [(HTTP,), (NAMED,), (RANGE,), ()])
def test_ports_are_numbers_names_ranges_or_all(ports: tuple[dict[str, Any], ...]):
    assert is_open(ingress(FROM_CLIENT, ports=ports))
    assert is_open(ingress(FROM_CLIENT, ports=ports), port=443) == (not ports)


def test_a_rule_for_udp_opens_no_tcp():
    assert not is_open(ingress(FROM_CLIENT, ports=({"port": 80, "protocol": "UDP"},)))


def test_a_rule_without_peers_is_for_everybody_and_one_for_addresses_for_no_pod():
    assert is_open(ingress())
    assert not is_open(ingress({"ipBlock": {"cidr": "0.0.0.0/0"}}))


def test_pods_of_another_namespace_are_named_with_it():
    stranger = pod("client", "elsewhere")
    assert not is_open(ingress(FROM_CLIENT), client=stranger)
    there = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}}
    assert is_open(ingress(there), client=stranger)
    assert is_open(ingress({**there, **FROM_CLIENT}), client=stranger)
    assert not is_open(ingress(there))


def test_policies_do_not_hold_for_the_hosts_network():
    assert is_open(DENY, ingress(FROM_CLIENT), client=pod("client", hostNetwork=True))


def test_a_policy_without_types_is_one_for_what_comes_in():
    assert not is_open(policy("server", {"application": "server"}))
    assert is_open(policy("client", {"application": "client"}))
