from __future__ import annotations

from dataclasses import replace
from typing import Any

from stackloom import Endpoint, Service
from stackloom.graph import Graph
from stackloom.infra.network import service_policy
from stackloom.manifests.gate import token_volume
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
ETCD = Service(
    name="etcd",
    type="coordination",
    backs="coordination",
    endpoints=(Endpoint(service="etcd", port=2379),),
    peer_ports=(2380,),
)
NAMES = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
CLOSED: dict[str, Any] = {"automountServiceAccountToken": False, "volumes": []}
WITH_TOKEN: dict[str, Any] = {"automountServiceAccountToken": False, "volumes": [token_volume()]}


def policy(service: Service, *others: Service, pod: dict[str, Any] = CLOSED, **ports: Any) -> dict[str, Any]:
    who = Identity(name=service.name, namespace="openstack", labels={"application": service.name, "component": "network"})
    graph = Graph([service, *others])
    found: dict[str, Any] = service_policy(who, graph, service, [pod], monitoring="stacklight", **ports)["spec"]
    return found


def callers(spec: dict[str, Any]) -> list[str]:
    found: list[str] = spec["ingress"][0]["from"][0]["podSelector"]["matchExpressions"][0]["values"]
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
    assert "ingress" not in policy(WORKER, GLANCE, KEYSTONE)


def test_a_service_calls_what_it_requires_and_uses_where_that_is_there():
    assert callees(policy(GLANCE, KEYSTONE)) == {
        "glance": [9292],
        "keystone": [5000],
        "mariadb": [3306],
        "rabbitmq-glance": [5672],
    }
    cinder = Service(name="cinder", type="volume", endpoints=(Endpoint(service="cinder-api", port=8776),))
    assert callees(policy(GLANCE, KEYSTONE, cinder))["cinder"] == [8776]


def test_nobody_calls_what_runs_nothing_in_this_cloud():
    assert "keystone" not in callees(policy(GLANCE, KEYSTONE, absent={"keystone"}))


def test_several_ports_of_one_service_stand_in_one_rule():
    two = replace(KEYSTONE, endpoints=(*KEYSTONE.endpoints, Endpoint(service="keystone-admin", port=35357, name="admin")))
    assert callees(policy(GLANCE, two))["keystone"] == [5000, 35357]


def to_anywhere(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [port for rule in spec["egress"] if "to" not in rule for port in rule["ports"]]


def test_names_are_resolved_by_whoever_calls_anything():
    assert to_anywhere(policy(WORKER, GLANCE, KEYSTONE)) == NAMES
    assert "egress" not in policy(Service(name="alone", type="alone"))


def test_the_api_of_kubernetes_is_reached_by_pods_that_have_a_token_for_it():
    api = [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]
    for pod in (WITH_TOKEN, {"containers": []}):
        assert to_anywhere(policy(WORKER, GLANCE, KEYSTONE, pod=pod)) == [*NAMES, *api]


def test_ports_outside_the_cloud_must_be_asked_for():
    rules = policy(KEYSTONE, egress_ports=(636, 389, 636))["egress"]
    assert {"ports": [{"port": 389, "protocol": "TCP"}, {"port": 636, "protocol": "TCP"}]} in rules


def test_ports_that_anybody_may_call_must_be_asked_for():
    assert {"ports": [{"port": 8443, "protocol": "TCP"}]} in policy(KEYSTONE, open_ports=(8443,))["ingress"]


def test_a_port_may_be_open_for_both_protocols():
    both = [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    assert {"ports": both} in policy(KEYSTONE, open_ports=(53,), open_udp_ports=(53,))["ingress"]


def test_infrastructure_is_called_by_those_that_stand_on_it():
    user = Service(name="cinder", type="block-storage", requires=frozenset({"coordination"}))
    assert callers(policy(ETCD, user, KEYSTONE)) == ["cinder", "etcd"]
    assert callees(policy(user, ETCD, KEYSTONE))["etcd"] == [2379]


def test_a_broker_is_called_by_its_one_client():
    broker = Service(
        name="rabbitmq-nova",
        type="messaging",
        backs="messaging",
        client="nova",
        endpoints=(Endpoint(service="rabbitmq-nova", port=5672),),
    )
    nova, heat = (Service(name=n, type=n, requires=frozenset({"messaging"})) for n in ("nova", "heat"))
    assert callers(policy(broker, nova, heat)) == ["nova", "rabbitmq-nova"]


def test_peers_call_one_another_and_monitoring_reads_metrics():
    _, peers, metrics = policy(ETCD, monitored_ports=[2381])["ingress"]
    assert [p["port"] for p in peers["ports"]] == [2380]
    assert peers["from"][0]["podSelector"]["matchExpressions"][0]["values"] == ["etcd"]
    assert [p["port"] for p in metrics["ports"]] == [2381]
    assert metrics["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "stacklight"}


def test_the_ingress_calls_what_is_public_and_nothing_else():
    ingress = Service(name="ingress", type="ingress", backs="ingress")
    assert callees(policy(ingress, KEYSTONE, GLANCE)) == {"keystone": [5000]}


def test_what_agents_on_their_nodes_network_call_is_open_to_the_networks_of_the_nodes():
    found = policy(GLANCE, KEYSTONE, WORKER, on_nodes=frozenset({"cleaner"}), node_networks=["10.0.0.0/24"])
    (rule,) = found["ingress"]
    assert {"ipBlock": {"cidr": "10.0.0.0/24"}} in rule["from"]


def test_it_is_open_to_all_where_nobody_said_what_the_nodes_networks_are():
    found = policy(GLANCE, KEYSTONE, WORKER, on_nodes=frozenset({"cleaner"}))
    assert found["ingress"] == [{"ports": [{"port": 9292, "protocol": "TCP"}]}]


def test_an_agent_on_its_nodes_network_opens_nothing_that_it_does_not_call():
    closed = policy(KEYSTONE, GLANCE, WORKER)
    assert policy(KEYSTONE, GLANCE, WORKER, on_nodes=frozenset({"cleaner"})) == closed
