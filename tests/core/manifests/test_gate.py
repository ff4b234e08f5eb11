from __future__ import annotations

from typing import Any

from stackloom.manifests.gate import TOKEN_MOUNT, Gate, gate_container, token_volume


def env(gate: Gate) -> dict[str, Any]:
    """The gate's environment: a text, or the path of a field of the Pod."""
    found = gate_container(gate, [], {})["env"]
    return {e["name"]: e.get("value") or e["valueFrom"]["fieldRef"]["fieldPath"] for e in found}


def test_a_gate_is_true_when_it_waits_for_anything():
    assert not Gate(release="gazpacho", image="x")
    assert Gate(services=("mariadb",))
    assert Gate(jobs=("glance-db-sync",))
    assert Gate(node_pods=("application=openvswitch",))
    assert Gate(replaced=("cinder",))


def test_the_program_is_told_what_it_waits_for():
    gate = Gate(services=("mariadb", "memcached"), jobs=("glance-db-sync", "glance-catalogue"), release="gazpacho")
    assert env(gate) == {
        "GATE_SERVICES": "mariadb,memcached",
        "GATE_JOBS": "glance-db-sync,glance-catalogue",
        "GATE_RELEASE": "gazpacho",
    }


def test_what_is_replaced_is_replaced_by_this_release():
    assert env(Gate(replaced=("cinder", "nova"), release="gazpacho")) == {
        "GATE_REPLACED": "cinder,nova",
        "GATE_RELEASE": "gazpacho",
    }


def test_pods_are_looked_for_on_the_same_node():
    found = env(Gate(node_pods=("application=ovn,component=controller", "application=openvswitch")))
    assert found["GATE_NODE_PODS"] == "application=ovn,component=controller;application=openvswitch"
    assert found["NODE_NAME"] == "spec.nodeName"


def test_the_gate_mounts_the_token_beside_its_program():
    mount = {"name": "programs", "mountPath": "/opt/stackloom/programs"}
    body = gate_container(Gate(services=("mariadb",), image="registry.example.org/toolbox:1"), [mount], {"x": 1})
    assert body["volumeMounts"] == [mount, TOKEN_MOUNT]
    assert (body["image"], body["securityContext"]) == ("registry.example.org/toolbox:1", {"x": 1})


def test_the_token_expires_and_comes_with_the_certificate_and_the_namespace():
    volume = token_volume()
    assert volume["name"] == "kubernetes-api"
    token, authority, namespace = volume["projected"]["sources"]
    assert token["serviceAccountToken"] == {"path": "token", "expirationSeconds": 3600}
    assert authority["configMap"]["name"] == "kube-root-ca.crt"
    assert namespace["downwardAPI"]["items"][0]["path"] == "namespace"
