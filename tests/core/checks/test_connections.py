"""A policy in the way of an address that a Pod is told is reported, once for each."""

from __future__ import annotations

from typing import Any

from stackloom.checks import connections
from stackloom.model.output import Output
from tests.core.checks.cloud import IMAGES, POD, changed, cloud, said

URL = "http://keystone-api.openstack.svc.cluster.local:5000/v3"
CLOSED = {"podSelector": {"matchLabels": {"application": "keystone", "component": "api"}}, "policyTypes": ["Ingress"]}
MESSAGE = (
    f"{IMAGES}: spec.template.spec: calls keystone-api:5000, and no NetworkPolicy lets 'glance' do that. "
    "Name what it calls in `requires` or `uses` of the Service"
)


def told(url: str = URL, **rules: Any) -> list[Output]:
    """The sample, whose Glance is told an address, and whose Keystone has a policy with these rules."""
    output = changed(IMAGES, *POD, "containers", 0, "env", to=[{"name": "OS_AUTH_URL", "value": url}])
    return changed("keystone/NetworkPolicy/keystone-api", "spec", to={**CLOSED, **rules}, output=output)


def test_a_call_that_a_policy_refuses_is_reported():
    assert said(connections.check, told()) == [MESSAGE]


def test_a_call_that_a_policy_opens_is_not():
    labels = next(o for o in cloud() if o.path == IMAGES).body["spec"]["template"]["metadata"]["labels"]
    rule = {"from": [{"podSelector": {"matchLabels": {"application": labels["application"]}}}], "ports": [{"port": "api"}]}
    assert said(connections.check, told(ingress=[rule])) == []


def test_addresses_in_configuration_files_are_read():
    config = ("keystone/ConfigMap/keystone-etc", "data", "keystone.conf")
    (message,) = said(connections.check, changed(*config, to=f"auth_url = {URL}\n", output=told("nothing")))
    assert message.startswith("keystone/")
    assert "calls keystone-api:5000" in message


def test_an_address_without_a_service_in_the_output_is_left_alone():
    assert said(connections.check, told("mysql://mariadb.openstack.svc.cluster.local:3306/glance")) == []
