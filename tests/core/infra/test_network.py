from __future__ import annotations

from dataclasses import replace
from typing import Any

from stackloom import Endpoint, Service
from stackloom.graph import Graph
from stackloom.infra.network import service_policy
from stackloom.manifests.workloads import Identity

KEYSTONE = Service(name="keystone", type="identity", endpoints=(Endpoint(service="keystone-api", port=5000, public="keystone"),))
GLANCE = Service(
    name="glance",
    type="image",
    requires=frozenset({"identity", "database"}),
    uses=frozenset({"messaging", "volume"}),
    endpoints=(Endpoint(service="glance-api", port=9292),),
)
WORKER = Service(name="cleaner", type="cleaning", requires=frozenset({"image"}))
NAMES_AND_API = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}]


def policy(service: Service, *others: Service, egress: tuple[int, ...] = ()) -> dict[str, Any]:
    who = Identity(name=service.name, namespace="openstack", labels={"application": service.name, "component": "network"})
    found: dict[str, Any] = service_policy(who, Graph([service, *others]), service, egress)["spec"]
    return found


def callers(spec: dict[str, Any]) -> list[str]:
    (rule,) = spec["ingress"]
    found: list[str] = rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]
    return found


def callees(spec: dict[str, Any]) -> dict[str, list[int]]:
    """Ports by application, of the rules that name one."""
    rules = [rule for rule in spec["egress"] if "to" in rule]
    return {
        rule["to"][0]["podSelector"]["matchExpressions"][0]["values"][0]: [p["port"] for p in rule["ports"]] for rule in rules
    }


def test_a_policy_is_for_all_pods_of_the_service():
    assert policy(KEYSTONE)["podSelector"] == {"matchLabels": {"application": "keystone"}}


def test_a_service_is_called_by_those_that_require_or_use_it_and_by_itself():
    user = Service(name="horizon", type="dashboard", uses=frozenset({"image"}))
    assert callers(policy(GLANCE, KEYSTONE, WORKER, user)) == ["cleaner", "glance", "horizon"]


def test_what_is_public_is_called_by_the_ingress_too():
    assert callers(policy(KEYSTONE)) == ["ingress", "keystone"]


def test_only_the_ports_of_its_endpoints_are_open():
    assert policy(GLANCE, KEYSTONE)["ingress"][0]["ports"] == [{"port": 9292, "protocol": "TCP"}]


def test_a_service_without_endpoints_is_called_by_nobody():
    assert policy(WORKER, GLANCE, KEYSTONE)["ingress"] == []


def test_a_service_calls_what_it_requires_and_uses_where_that_is_there():
    assert callees(policy(GLANCE, KEYSTONE)) == {
        "glance": [9292],
        "keystone": [5000],
        "mariadb": [3306],
        "rabbitmq-glance": [5672],
    }
    cinder = Service(name="cinder", type="volume", endpoints=(Endpoint(service="cinder-api", port=8776),))
    assert callees(policy(GLANCE, KEYSTONE, cinder))["cinder"] == [8776]


def test_several_ports_of_one_service_stand_in_one_rule():
    two = replace(KEYSTONE, endpoints=(*KEYSTONE.endpoints, Endpoint(service="keystone-admin", port=35357, name="admin")))
    assert callees(policy(GLANCE, two))["keystone"] == [5000, 35357]


def test_names_and_the_api_of_kubernetes_are_always_reached():
    open_to_all = [port for rule in policy(WORKER, GLANCE, KEYSTONE)["egress"] if "to" not in rule for port in rule["ports"]]
    assert open_to_all == [*NAMES_AND_API, {"port": 6443, "protocol": "TCP"}]


def test_ports_outside_the_cloud_must_be_asked_for():
    rules = policy(KEYSTONE, egress=(636, 389, 636))["egress"]
    assert {"ports": [{"port": 389, "protocol": "TCP"}, {"port": 636, "protocol": "TCP"}]} in rules
