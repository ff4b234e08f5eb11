from __future__ import annotations

from collections.abc import Callable, Iterable
from configparser import ConfigParser
from typing import Any, ClassVar

import pytest

from stackloom import Output, StackloomError
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]


def key(name: str) -> dict[str, Any]:
    return {"value_from": {"secret_key_ref": {"name": "storage", "key": name}}}


GOLD = {
    "volume_backend_name": "gold",
    "volume_driver": "cinder.volume.drivers.pure.PureISCSIDriver",
    "pure_api_token": key("token"),
}
PURE: dict[str, Any] = {
    "type": "statefulset",
    "values": {
        "conf": {"cinder": {"DEFAULT": {"enabled_backends": "gold"}, "gold": GOLD}},
        "images": {"tags": {"cinder_volume": "registry.example.org/cinder:2026.1-pure"}},
        "labels": {"volume": {"node_selector_key": "storage", "node_selector_value": "yes"}},
        "pod": {"resources": {"volume": {"requests": {"cpu": 2}, "limits": {"memory": "8Gi"}}}},
    },
}
OF_OUR_IMAGE = {**PURE, "values": {name: value for name, value in PURE["values"].items() if name != "images"}}
# What oslo.privsep keeps for its helpers: it does not start where one is missing.
HELPERS = ["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "NET_ADMIN", "SYS_ADMIN"]
S3 = {
    "type": "s3",
    "enabled": True,
    "endpoint_url": "https://s3.example.org:9000",
    "store_bucket": "backups",
    "store_access_key": key("access"),
    "store_secret_key": key("secret"),
}
NFS = {"type": "nfs", "enabled": True, "backup_share": "[2001:db8::5]:/export/backups"}
NODE = {"features": {"cinder": {"volume": {"backends": {"fast": {"lvm": {"volume_group": "nvme", "lvm_type": "thin"}}}}}}}


class TestContract(ServiceContract):
    service = "cinder"


class TestContractWithoutCeph(ServiceContract):
    service = "cinder"
    spec: ClassVar = {
        "features": {
            "cinder": {"volume": {"enabled": False, "backends": {"gold": OF_OUR_IMAGE}}, "backup": {"drivers": {"s3": S3}}}
        },
        "nodes": {"rack::r1": NODE},
    }


def cloud(volume: dict[str, Any] | None = None, backup: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small cloud of block storage and identity alone, with what differs."""
    cinder = {"volume": volume or {}, "backup": backup or {}}
    usual = {"size": "small", "features": {"services": ["identity", "block-storage"], "cinder": cinder}}
    return patched(patched(USUAL, {"spec": usual}), {"spec": spec})


@pytest.fixture
def made(manifests: Manifests) -> Callable[..., dict[str, dict[str, Any]]]:
    """Cinder's objects by kind and name, a Job's without the hash."""

    def found(deployment: dict[str, Any]) -> dict[str, dict[str, Any]]:
        own = [o for o in manifests(deployment) if o.component == "cinder"]
        return {f"{o.kind}/{o.labels.get('stackloom.io/job', o.name)}": dict(o.body) for o in own}

    return found


Made = Callable[[dict[str, Any]], dict[str, dict[str, Any]]]


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = workload["spec"]["template"]["spec"]
    return found


def main(workload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod(workload)["containers"][0]
    return found


def env(workload: dict[str, Any]) -> dict[str, Any]:
    """Variables: text, the field of the Pod, or Secret/key."""
    return {e["name"]: e.get("value") or _source(e["valueFrom"]) for e in main(workload)["env"]}


def _source(source: dict[str, Any]) -> str:
    return source["fieldRef"]["fieldPath"] if "fieldRef" in source else "{name}/{key}".format(**source["secretKeyRef"])


def conf(objects: dict[str, dict[str, Any]], key: str = "cinder.conf") -> ConfigParser:
    parser = ConfigParser(interpolation=None, default_section="")
    parser.read_string(objects["ConfigMap/cinder-etc"]["data"][key])
    return parser


def refused(manifests: Manifests, deployment: dict[str, Any]) -> list[str]:
    with pytest.raises(StackloomError) as caught:
        manifests(deployment)
    return [f"{p.path}: {p.what}" for p in caught.value.problems]


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "cinder")


def test_a_cloud_without_ceph(manifests: Manifests, assert_snapshots: Snapshots):
    usual = {o.path: o.body for o in manifests(cloud())}
    deployment = cloud({"enabled": False, "backends": {"pure": PURE}}, {"drivers": {"s3": S3}}, nodes={"rack::r1": NODE})
    differing = [o for o in manifests(deployment) if o.component == "cinder" and usual.get(o.path) != o.body]
    assert_snapshots(o for o in differing if o.name.startswith(("cinder-volume", "cinder-backup")) or o.kind == "ConfigMap")


def test_every_service_keeps_its_name_whatever_becomes_of_its_pods(made: Made):
    objects = made(cloud({"backends": {"pure": PURE}}, nodes={"rack::r1": NODE}))
    names = {
        path: env(body).get("OS_DEFAULT__HOST")
        for path, body in objects.items()
        if path.split("/")[0] in ("StatefulSet", "DaemonSet")
    }
    (node,) = (path for path in names if path.startswith("DaemonSet/"))
    assert names.pop(node) == "spec.nodeName"
    assert names == {f"StatefulSet/cinder-{role}": "metadata.name" for role in ("backup", "scheduler", "volume", "volume-pure")}


def test_pods_of_ceph_share_their_volumes_and_their_locks(made: Made):
    objects = made(cloud())
    volume = env(objects["StatefulSet/cinder-volume"])
    assert objects["StatefulSet/cinder-volume"]["spec"]["replicas"] == 3
    assert volume["OS_DEFAULT__CLUSTER"] == "ceph"
    assert volume["OS_COORDINATION__BACKEND_URL"].startswith("etcd3+https://etcd.openstack.svc")


def test_a_backend_that_runs_once_is_no_cluster_and_one_that_runs_twice_is(made: Made):
    twice = patched(PURE, {"values": {"pod": {"replicas": {"volume": 2}}}})
    once = made(cloud({"backends": {"pure": PURE}}))
    assert not conf(once, "volume-pure.conf").has_option("DEFAULT", "cluster")
    assert conf(made(cloud({"backends": {"pure": twice}})), "volume-pure.conf")["DEFAULT"]["cluster"] == "pure"
    assert "OS_DEFAULT__CLUSTER" not in env(once["StatefulSet/cinder-volume-pure"])


def test_a_backend_runs_as_the_operator_says(made: Made):
    objects = made(cloud({"backends": {"pure": PURE}}))
    workload = objects["StatefulSet/cinder-volume-pure"]
    assert main(workload)["image"] == "registry.example.org/cinder:2026.1-pure"
    assert main(workload)["resources"] == {"requests": {"cpu": "2", "memory": "512Mi"}, "limits": {"memory": "8Gi"}}
    assert pod(workload)["nodeSelector"] == {"storage": "yes"}
    assert env(workload)["OS_GOLD__PURE_API_TOKEN"] == "storage/token"
    assert main(workload)["command"][-1] == "/etc/cinder/volume-pure.conf"
    assert not any("volume-pure.conf" in str(pod(body)) for path, body in objects.items() if path == "StatefulSet/cinder-volume")


def test_options_of_backends_are_checked_where_they_stand(manifests: Manifests):
    odd = patched(PURE, {"values": {"conf": {"cinder": {"gold": {"pure_api_tokn": "x", "san_ip": 5}}}}})
    (problem,) = refused(manifests, cloud({"backends": {"pure": odd}}))
    path = "spec.features.cinder.volume.backends.pure.values.conf.cinder.gold.pure_api_tokn"
    assert problem == f"{path}: the service knows no option 'pure_api_tokn' in the section 'gold'"
    node = patched(NODE, {"features": {"cinder": {"volume": {"backends": {"fast": {"lvm": {"lvm_type": "thik"}}}}}}})
    (problem,) = refused(manifests, cloud(nodes={"rack::r1": node}))
    assert problem.startswith("spec.nodes.rack::r1.features.cinder.volume.backends.fast.lvm.lvm_type: 'thik' does not fit")


def test_pods_attach_volumes_only_where_some_are_not_in_ceph(made: Made):
    alone, mixed = made(cloud()), made(cloud({"backends": {"pure": PURE}}))
    assert "'privileged': True" not in str(alone)
    for name in ("StatefulSet/cinder-volume", "StatefulSet/cinder-backup"):
        assert not pod(alone[name]).get("hostNetwork")
        assert pod(mixed[name])["hostNetwork"]
        assert main(mixed[name])["securityContext"]["privileged"]
        assert main(alone[name])["securityContext"]["capabilities"]["add"] == HELPERS


def test_a_volume_group_of_nodes_runs_where_the_label_is_and_under_the_nodes_names(made: Made):
    (path, body), *_ = [(p, b) for p, b in made(cloud(nodes={"rack::r1": NODE})).items() if p.startswith("DaemonSet/")]
    objects = made(cloud(nodes={"rack::r1": NODE}))
    (terms,) = pod(body)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["r1"]}]}
    overlay = conf(objects, main(body)["command"][-1].rpartition("/")[2])
    assert overlay["DEFAULT"]["enabled_backends"] == "fast"
    assert (overlay["fast"]["volume_group"], overlay["fast"]["lvm_type"], overlay["fast"]["target_helper"]) == (
        "nvme",
        "thin",
        "lioadm",
    )
    assert pod(body)["hostIPC"], path


def test_nodes_without_volumes_of_their_own_run_nothing(made: Made):
    nodes = {"rack::r1": NODE, "rack::r2": {"services": {"block-storage": {"cinder": {"values": {"conf": {}}}}}}}
    assert len([path for path in made(cloud(nodes=nodes)) if path.startswith("DaemonSet/")]) == 1
    assert not [path for path in made(cloud()) if path.startswith("DaemonSet/")]


def test_targets_of_tgt_come_with_their_daemon(made: Made):
    node = patched(NODE, {"features": {"cinder": {"volume": {"backends": {"fast": {"lvm": {"target_helper": "tgtadm"}}}}}}})
    (body,) = (b for p, b in made(cloud(nodes={"rack::r1": node})).items() if p.startswith("DaemonSet/"))
    assert [c["name"] for c in pod(body)["containers"]] == ["cinder-volume", "tgtd"]
    assert "/etc/tgt" in [m["mountPath"] for m in main(body)["volumeMounts"]]
    assert "/sys/kernel/config" not in [m["mountPath"] for m in main(body)["volumeMounts"]]


def test_each_backend_has_a_volume_type_and_the_first_is_the_default(made: Made):
    silent = patched(PURE, {"create_volume_type": False})
    objects = made(cloud({"backends": {"pure": PURE}}, nodes={"rack::r1": NODE}))
    text = objects["ConfigMap/cinder-etc"]["data"]["volume-types.json"]
    assert [text.count(f'"name": "{name}"') for name in ("rbd", "gold", "fast")] == [1, 1, 1]
    assert conf(objects)["DEFAULT"]["default_volume_type"] == "rbd"
    without = made(cloud({"enabled": False, "backends": {"pure": silent}}, {"enabled": False}))
    assert "Job/cinder-volume-types" not in without
    assert not conf(without).has_option("DEFAULT", "default_volume_type")


def test_backups_on_a_share_are_mounted_by_the_kubelet(made: Made):
    objects = made(cloud(backup={"drivers": {"share": NFS}}))
    backup = objects["StatefulSet/cinder-backup"]
    volumes = [v["nfs"] for v in pod(backup)["volumes"] if "nfs" in v]
    assert volumes == [{"server": "2001:db8::5", "path": "/export/backups"}]
    assert conf(objects)["DEFAULT"]["backup_driver"] == "cinder.backup.drivers.posix.PosixBackupDriver"
    assert conf(objects)["DEFAULT"]["backup_posix_path"] in [m["mountPath"] for m in main(backup)["volumeMounts"]]


def test_keys_of_an_object_store_reach_cinder_backup_alone(made: Made):
    objects = made(cloud(backup={"drivers": {"s3": S3}}))
    assert env(objects["StatefulSet/cinder-backup"])["OS_DEFAULT__BACKUP_S3_STORE_SECRET_KEY"] == "storage/secret"
    running = {path: body for path, body in objects.items() if body["kind"] in ("Deployment", "StatefulSet")}
    assert [path for path, body in running.items() if "'name': 'storage'" in str(body)] == ["StatefulSet/cinder-backup"]
    anywhere = [rule["ports"] for rule in objects["NetworkPolicy/cinder"]["spec"]["egress"] if "to" not in rule]
    assert {"port": 9000, "protocol": "TCP"} in [port for ports in anywhere for port in ports]


def test_no_backups_no_cinder_backup(made: Made):
    objects = made(cloud(backup={"enabled": False}))
    assert "StatefulSet/cinder-backup" not in objects
    assert not conf(objects).has_option("DEFAULT", "backup_driver")


def test_rows_are_migrated_when_everything_runs_the_new_release(made: Made):
    objects = made(cloud())
    gate = {e["name"]: e.get("value") for e in pod(objects["Job/cinder-db-online-migrations"])["initContainers"][0]["env"]}
    assert {"cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup"} <= set(gate["GATE_SERVICES"].split(","))
    assert (gate["GATE_REPLACED"], gate["GATE_RELEASE"]) == ("cinder", "gazpacho")
    waits = {e["name"]: e.get("value") for e in pod(objects["Deployment/cinder-api"])["initContainers"][0]["env"]}
    assert waits["GATE_JOBS"] == "cinder-db-sync"


def test_deleted_rows_are_purged_after_the_days_that_are_given(made: Made):
    cleanup = {"database": {"cleanup": {"cinder": {"enabled": True, "age": 14, "schedule": "1 0 * * 1"}}}}
    job = made(cloud(features=cleanup))["CronJob/cinder-db-purge"]["spec"]["jobTemplate"]
    assert main(job)["command"] == ["cinder-manage", "db", "purge", "14"]


def test_calls_are_audited_where_that_is_wanted(made: Made):
    audited = made(cloud(features={"logging": {"cadf": {"enabled": True}}}))["ConfigMap/cinder-etc"]["data"]["api-paste.ini"]
    assert "keystonecontext audit apiv3" in audited
    assert "audit" not in made(cloud())["ConfigMap/cinder-etc"]["data"]["api-paste.ini"]
