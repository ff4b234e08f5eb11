from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched
from tests.plugins.compute import Made, Manifests, Snapshots, env_of
from tests.plugins.telemetry import TELEMETRY, cloud

FILES = {"telemetry": {"storage": {"file": {"pvc": {"size": "20Gi", "storage_class_name": "nfs"}}}}}
S3 = {
    "telemetry": {
        "storage": {
            "s3": {
                "endpoint_url": "https://s3.example.org:9000",
                "access_key": {"value_from": {"secret_key_ref": {"name": "s3", "key": "id"}}},
                "secret_key": {"value_from": {"secret_key_ref": {"name": "s3", "key": "secret"}}},
            }
        }
    }
}
SIZES = [("single", 1, "1"), ("tiny", 3, "1"), ("small", 3, "2"), ("medium", 5, "4")]
# What is logged, and what stands for it in gnocchi.conf: debug and verbose.
LEVELS = [("DEBUG", ("true", "true")), ("INFO", ("false", "true")), ("ERROR", ("false", "false"))]
UPGRADE = "Job/gnocchi-storage-upgrade"
WITH_STORAGE = ("Deployment/gnocchi-api", "Deployment/gnocchi-metricd", UPGRADE)


class TestContract(ServiceContract):
    service = "gnocchi"
    spec = TELEMETRY


def gnocchi(manifests: Manifests, features: dict[str, Any] | None = None, **spec: Any) -> Made:
    return Made(manifests(cloud(features, **spec)), "gnocchi")


def test_measures_in_ceph(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "gnocchi")


def test_measures_in_files(manifests: Manifests, assert_snapshots: Snapshots):
    found = manifests(cloud(FILES))
    assert_snapshots(o for o in found if o.component == "gnocchi" and o.kind in {"Deployment", "PersistentVolumeClaim"})


def test_measures_in_ceph_are_written_by_a_user_who_has_that_pool_alone(manifests: Manifests):
    found = manifests(cloud({"ceph": {"pools": {"metrics": "measures"}}}))
    assert Made(found, "gnocchi").conf("gnocchi.conf")["storage"] == {
        "driver": "ceph",
        "ceph_username": "gnocchi",
        "ceph_pool": "measures",
    }
    (asked,) = [o.body["data"]["ceph.json"] for o in found if o.component == "ceph" and o.kind == "ConfigMap"]
    assert {"name": "gnocchi", "pools": ["measures"], "reads": []}.items() <= json.loads(asked)["users"][0].items()


@pytest.mark.parametrize("workload", WITH_STORAGE)
def test_whoever_works_with_measures_sees_the_volume_of_files(manifests: Manifests, workload: str):
    pod = gnocchi(manifests, FILES).pod(workload)
    (volume,) = [v["name"] for v in pod["volumes"] if v.get("persistentVolumeClaim") == {"claimName": "gnocchi-measures"}]
    assert {"name": volume, "mountPath": "/var/lib/gnocchi"} in pod["containers"][0]["volumeMounts"]


@pytest.mark.parametrize("workload", WITH_STORAGE)
def test_the_keys_of_an_object_store_come_from_the_operators_secret(manifests: Manifests, workload: str):
    env = env_of(gnocchi(manifests, S3).container(workload, workload.partition("/")[2]))
    assert env["OS_STORAGE__S3_ACCESS_KEY_ID"] == ("s3", "id")
    assert env["OS_STORAGE__S3_SECRET_ACCESS_KEY"] == ("s3", "secret")


def test_the_way_to_an_object_store_is_open(manifests: Manifests):
    made = gnocchi(manifests, S3)
    assert {"ports": [{"port": 9000, "protocol": "TCP"}]} in made.bodies["NetworkPolicy/gnocchi"]["spec"]["egress"]
    assert made.conf("gnocchi.conf")["storage"]["s3_endpoint_url"] == "https://s3.example.org:9000"


def test_the_first_half_of_the_upgrade_touches_no_storage_and_the_second_no_database(manifests: Manifests):
    made = gnocchi(manifests, FILES)
    index, room = made.container("Job/gnocchi-db-sync", "gnocchi-db-sync"), made.container(UPGRADE, "gnocchi-storage-upgrade")
    assert index["command"] == ["gnocchi-upgrade", "--skip-storage", "--skip-incoming"]
    assert not any("persistentVolumeClaim" in v for v in made.pod("Job/gnocchi-db-sync")["volumes"])
    assert "--skip-index" in room["command"]


def test_the_database_is_reached_by_the_option_that_gnocchi_has_for_it(manifests: Manifests):
    env = env_of(gnocchi(manifests).container("Deployment/gnocchi-metricd", "gnocchi-metricd"))
    assert env["OS_INDEXER__URL"].startswith("mysql+pymysql://$(INDEXER_DB_USER):$(INDEXER_DB_PASSWORD)@mariadb.")
    assert env["OS_DEFAULT__COORDINATION_URL"].startswith("etcd3+https://etcd.")


def test_what_aggregates_has_no_account_in_keystone(manifests: Manifests):
    env = env_of(gnocchi(manifests).container("Deployment/gnocchi-metricd", "gnocchi-metricd"))
    assert not [name for name in env if "KEYSTONE" in name]


@pytest.mark.parametrize(("size", "pods", "processes"), SIZES)
def test_what_aggregates_grows_with_the_size_and_not_with_the_nodes_processors(
    manifests: Manifests, size: str, pods: int, processes: str
):
    made = gnocchi(manifests, size=size)
    assert made.bodies["Deployment/gnocchi-metricd"]["spec"]["replicas"] == pods
    conf = made.conf("gnocchi.conf")
    assert (conf["metricd"]["workers"], conf["DEFAULT"]["parallel_operations"]) == (processes, "4")


@pytest.mark.parametrize(("level", "told"), LEVELS)
def test_how_much_is_logged_is_said_as_gnocchi_reads_it(manifests: Manifests, level: str, told: tuple[str, str]):
    conf = gnocchi(manifests, {"logging": {"gnocchi": {"level": level}}}).conf("gnocchi.conf")["DEFAULT"]
    assert (conf["debug"], conf["verbose"]) == told


@pytest.mark.parametrize("page", ["gnocchi", "ceilometer"])
def test_the_deployments_of_the_pages_are_taken(manifests: Manifests, page: str):
    text = (Path(__file__).parents[2] / "docs" / "services" / f"{page}.md").read_text()
    examples = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert examples
    for example in examples:
        assert manifests(patched(USUAL, example))
