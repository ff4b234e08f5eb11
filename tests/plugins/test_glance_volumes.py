"""Images that Glance keeps in volumes of Cinder."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugins.test_glance import API, Manifests, by_path, cloud, conf, pod

STORE = {"cinder": {"block": {"default": True, "backend_name": "images:lvm-fast", "cinder_state_transition_timeout": 600}}}
OTHERS = ("block-storage",)


@pytest.fixture
def made(manifests: Manifests) -> dict[str, Any]:
    return by_path(manifests(cloud({"backends": STORE}, *OTHERS)))


def test_volumes_are_glances_own(made: dict[str, Any]):
    store = conf(made)["block"]
    assert (store["cinder_store_user_name"], store["cinder_store_project_name"]) == ("glance", "service")
    assert store["cinder_catalog_info"] == "volumev3::internalURL"
    assert store["cinder_state_transition_timeout"] == "600"
    names = {e["name"] for e in pod(made)["containers"][0]["env"] if "secretKeyRef" in e.get("valueFrom", {})}
    assert "OS_BLOCK__CINDER_STORE_PASSWORD" in names


def test_a_volume_type_is_made_for_a_backend_and_not_for_a_type(made: dict[str, Any], manifests: Manifests):
    wanted = json.loads(made["glance/ConfigMap/glance-etc"]["data"]["volume-types.json"])
    assert wanted == {"types": [{"name": "images", "extra_specs": {"volume_backend_name": "lvm-fast"}}]}
    assert conf(made)["block"]["cinder_volume_type"] == "images"
    store = {"cinder": {"block": {"default": True, "cinder_volume_type": "rbd"}}}
    other = by_path(manifests(cloud({"backends": store}, *OTHERS)))
    assert conf(other)["block"]["cinder_volume_type"] == "rbd"
    assert "glance/Job/glance-volume-types" not in other


def test_volumes_are_attached_to_the_node_with_privileges_that_say_why(made: dict[str, Any]):
    spec = pod(made)
    assert spec["hostNetwork"]
    assert spec["containers"][0]["securityContext"]["privileged"]
    assert "attaches the volumes" in made[API]["spec"]["template"]["metadata"]["annotations"]["stackloom.io/privilege-reason"]
    assert made[API]["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}


def test_the_api_waits_for_cinder_and_starts_its_helper_without_sudo(made: dict[str, Any]):
    (gate,) = [c for c in pod(made)["initContainers"] if c["name"] == "gate"]
    waits = {e["name"]: e.get("value", "") for e in gate["env"]}
    assert waits["GATE_SERVICES"].split(",") == ["memcached", "mariadb", "cinder-api", "keystone-api"]
    assert "sudo" not in conf(made, "privsep.conf")["privsep_osbrick"]["helper_command"]


def test_downloads_are_cached_and_the_cache_is_kept_within_its_size(made: dict[str, Any]):
    assert conf(made)["DEFAULT"]["image_cache_dir"] == "/var/lib/glance/own/cache"
    pipeline = conf(made, "glance-api-paste.ini")["pipeline:api"]["pipeline"].split()
    assert pipeline[-3:] == ["cache", "cachemanage", "rootapp"]
    (keeper,) = [c for c in pod(made)["containers"] if c["name"] == "cache-keeper"]
    own = [next(m for m in c["volumeMounts"] if m["mountPath"] == "/var/lib/glance/own") for c in pod(made)["containers"][:1]]
    assert own[0] in keeper["volumeMounts"]
