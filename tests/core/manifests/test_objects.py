from __future__ import annotations

from stackloom.manifests import objects
from tests.core.manifests.pods import GLANCE, SELECTOR


def test_a_service_leads_each_port_to_the_container_port_of_the_same_name():
    spec = objects.service(GLANCE, {"api": 9292, "metrics": 9100})["spec"]
    assert spec["selector"] == SELECTOR
    assert [(p["name"], p["port"], p["targetPort"]) for p in spec["ports"]] == [
        ("api", 9292, "api"),
        ("metrics", 9100, "metrics"),
    ]
    assert not {"clusterIP", "publishNotReadyAddresses"} & set(spec)


def test_a_service_may_be_for_those_pods_that_come_to_carry_a_label():
    found = objects.service(GLANCE, {"api": 9292}, labels={"role": "primary"})["spec"]["selector"]
    assert found == {**SELECTOR, "role": "primary"}


def test_a_headless_service_has_no_address_of_its_own():
    spec = objects.service(GLANCE, {"peer": 4567}, headless=True, not_ready_too=True)["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)


def test_at_most_one_pod_is_taken_down_at_a_time():
    spec = objects.disruption_budget(GLANCE)["spec"]
    assert spec == {"maxUnavailable": 1, "selector": {"matchLabels": SELECTOR}}


def test_an_ingress_serves_its_host_over_https():
    body = objects.ingress(
        GLANCE, host="image.example.org", service="glance-api", port="api", ingress_class="openstack", tls_secret="public-tls"
    )
    assert body["spec"]["tls"] == [{"hosts": ["image.example.org"], "secretName": "public-tls"}]
    (rule,) = body["spec"]["rules"]
    assert rule["host"] == "image.example.org"
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "glance-api", "port": {"name": "api"}}


def test_a_config_map_has_its_keys_in_order():
    assert list(objects.config_map(GLANCE, {"b": "2", "a": "1"})["data"]) == ["a", "b"]


def test_an_account_gives_its_token_to_no_pod_by_itself():
    assert objects.service_account(GLANCE)["automountServiceAccountToken"] is False


def test_a_role_is_bound_by_its_name():
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    subject = {"kind": "ServiceAccount", "name": "glance", "namespace": "openstack"}
    role, binding = objects.role(GLANCE, rules), objects.role_binding(GLANCE, [subject])
    assert role["rules"] == rules
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("Role", role["metadata"]["name"])
    assert binding["subjects"] == [subject]


def test_a_network_policy_refuses_what_it_does_not_name():
    spec = objects.network_policy(GLANCE, pods={"application": "glance"})["spec"]
    assert spec == {
        "podSelector": {"matchLabels": {"application": "glance"}},
        "policyTypes": ["Ingress", "Egress"],
    }
