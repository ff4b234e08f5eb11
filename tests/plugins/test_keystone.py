from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]

LDAP = {
    "enabled": True,
    "ks_domains": {
        "staff": {
            "enabled": True,
            "config": {
                "identity": {"driver": "ldap"},
                "ldap": {
                    "url": "ldaps://ldap.example.org",
                    "user": "cn=reader,dc=example,dc=org",
                    "password": {"value_from": {"secret_key_ref": {"name": "staff-ldap", "key": "password"}}},
                    "user_tree_dn": "ou=people,dc=example,dc=org",
                    "use_pool": True,
                },
            },
        }
    },
}
KEYCLOAK = {"enabled": True, "url": "https://keycloak.example.org"}
STORE = {"provider": "external-secrets", "external_secrets": {"store": {"name": "vault"}, "prefix": "clouds/one/"}}


class TestContract(ServiceContract):
    service = "keystone"


def cloud(features: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small cloud of identity alone, with what differs."""
    data = patched(USUAL, {"spec": {"size": "small", "features": {"services": ["identity"]}}})
    return patched(data, {"spec": {**spec, "features": features or {}}})


Differing = Callable[[dict[str, Any]], list[Output]]


@pytest.fixture
def differing(manifests: Manifests) -> Differing:
    """The objects that a deployment has otherwise than the usual cloud, Jobs with another hash among them.

    What follows from all images together is left out.
    """

    def found(deployment: dict[str, Any]) -> list[Output]:
        usual = {o.path: o.body for o in manifests(cloud())}
        return [o for o in manifests(deployment) if usual.get(o.path) != o.body and o.component != "image-cache"]

    return found


def paths(output: Iterable[Output]) -> set[str]:
    """``component/Kind/name``, a Job's name without the hash."""
    return {o.path.removesuffix(o.name) + o.labels.get("stackloom.io/job", o.name) for o in output}


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component in ("keystone", "credentials"))


def test_a_single_node(differing: Differing, assert_snapshots: Snapshots):
    assert_snapshots(differing(cloud(size="single")))


def test_a_domain_in_ldap(differing: Differing, assert_snapshots: Snapshots):
    assert_snapshots(differing(cloud({"keystone": {"domain_specific_configuration": LDAP}})))


def test_log_in_through_keycloak(differing: Differing, assert_snapshots: Snapshots):
    image = {"images": {"keystone": "registry.example.org/keystone-with-openid:2026.1"}}
    services = {"identity": {"keystone": {"values": image}}}
    assert_snapshots(differing(cloud({"keystone": {"keycloak": KEYCLOAK}}, services=services)))


def test_a_strict_admin(differing: Differing, assert_snapshots: Snapshots):
    assert_snapshots(differing(cloud({"policies": {"strict_admin": {"enabled": True}}})))


def test_secrets_from_a_store(differing: Differing, assert_snapshots: Snapshots):
    assert_snapshots(differing(cloud(credentials=STORE)))


def test_secrets_from_elsewhere_change_nothing_of_keystone(manifests: Manifests, differing: Differing):
    for chosen in (STORE, {"provider": "existing"}):
        assert {o.component for o in differing(cloud(credentials=chosen))} <= {"credentials"}
    assert "credentials" not in {o.component for o in manifests(cloud(credentials={"provider": "existing"}))}


def test_without_network_policies_nothing_else_changes(manifests: Manifests, differing: Differing):
    opened = cloud({"network_policies": {"enabled": False}})
    assert {path.split("/")[1] for path in paths(manifests(cloud())) - paths(manifests(opened))} == {"NetworkPolicy"}
    assert differing(opened) == []


def test_an_override_for_nodes_of_nothing_changes_nothing(differing: Differing):
    assert differing(cloud(nodes={"rack::r1": {}})) == []


def test_a_change_of_the_log_level_restarts_what_reads_it_and_runs_nothing_else(differing: Differing):
    found = paths(differing(cloud({"logging": {"keystone": {"level": "DEBUG"}}})))
    assert {"keystone/ConfigMap/keystone-etc", "keystone/Deployment/keystone-api"} <= found
    assert not found & {"keystone/Job/keystone-catalogue", "keystone/Job/keystone-create-keystone", "credentials/Job/credentials"}
