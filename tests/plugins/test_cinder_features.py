from __future__ import annotations

from typing import Any

import pytest

from stackloom_openstack.cinder.features import CinderFeatures, CinderNodeFeatures
from tests.plugins.cloud import cloud, problems

REF = {"value_from": {"secret_key_ref": {"name": "netapp", "key": "password"}}}
NETAPP = {
    "type": "statefulset",
    "values": {
        "conf": {
            "cinder": {
                "DEFAULT": {"enabled_backends": "gold, silver"},
                "gold": {"volume_backend_name": "gold", "volume_driver": "cinder.volume.drivers.netapp.common.NetAppDriver"},
                "silver": {"volume_backend_name": "silver", "volume_driver": "cinder.volume.drivers.netapp.common.NetAppDriver"},
            }
        },
        "images": {"tags": {"cinder_volume": "registry.example.org/cinder:2026.1-netapp"}},
        "labels": {"volume": {"node_selector_key": "openstack-control-plane", "node_selector_value": "enabled"}},
        "pod": {"replicas": {"volume": 1}, "resources": {"volume": {"requests": {"cpu": 1, "memory": "1Gi"}}}},
    },
}
S3 = {
    "type": "s3",
    "endpoint_url": "https://s3.example.org",
    "store_bucket": "b",
    "store_access_key": REF,
    "store_secret_key": REF,
}


def cinder(**features: Any) -> CinderFeatures:
    return cloud({"cinder": features}).features_of("cinder", CinderFeatures)


def test_volumes_and_backups_are_kept_in_ceph_unless_told_otherwise() -> None:
    features = cinder()
    assert features.volume.enabled
    assert features.backup.enabled
    assert not features.backup.drivers


def test_a_backend_with_two_groups_and_charts_values_is_taken() -> None:
    backend = cinder(volume={"backends": {"netapp": NETAPP}}).volume.backends["netapp"]
    assert backend.create_volume_type
    assert backend.values.pod.resources is not None
    assert backend.values.pod.resources.volume.requests.cpu == "1"


def test_a_backends_password_may_stay_in_a_secret() -> None:
    conf = {"cinder": {**NETAPP["values"]["conf"]["cinder"], "gold": {"netapp_password": REF}}}  # type: ignore[index]
    values = {**NETAPP["values"], "conf": conf}  # type: ignore[dict-item]
    found = problems({"cinder": {"volume": {"backends": {"netapp": {**NETAPP, "values": values}}}}})
    assert found == ["spec.features.cinder.volume.backends.netapp.values.conf.cinder.gold"]


def test_a_backend_that_is_off_need_not_be_whole() -> None:
    off = {"type": "statefulset", "enabled": False, "values": {"conf": {"cinder": {}}}}
    assert problems({"cinder": {"volume": {"backends": {"later": off}}}}) == []


def test_one_of_several_drivers_of_backups_is_enabled() -> None:
    drivers = {"s3": {**S3, "enabled": True}, "nfs": {"type": "nfs", "enabled": False, "backup_share": "nfs.example.org:/backup"}}
    assert problems({"cinder": {"backup": {"drivers": drivers}}}) == []


@pytest.mark.parametrize("share", ["10.0.0.5:/backup", "nfs-1.example.org:/a/b", "[2001:db8::5]:/backup"])
def test_a_share_is_named_by_host_or_address(share: str) -> None:
    features = cinder(backup={"drivers": {"nfs": {"type": "nfs", "enabled": True, "backup_share": share}}})
    assert features.backup.drivers["nfs"].backup_share == share


@pytest.mark.parametrize("share", ["/backup", "10.0.0.5", "2001:db8::5:/backup", "nfs://host/backup", "host:backup"])
def test_what_is_no_share_is_refused(share: str) -> None:
    drivers = {"nfs": {"type": "nfs", "enabled": True, "backup_share": share}}
    assert problems({"cinder": {"backup": {"drivers": drivers}}}) == ["spec.features.cinder.backup.drivers.nfs.backup_share"]


def test_a_cloud_without_ceph_needs_a_driver_or_no_backups() -> None:
    without = {"volume": {"enabled": False}}
    assert problems({"cinder": without}) == ["spec.features.cinder.backup"]
    assert problems({"cinder": {**without, "backup": {"enabled": False}}}) == []
    assert problems({"cinder": {**without, "backup": {"drivers": {"s3": {**S3, "enabled": True}}}}}) == []


def test_nodes_may_have_volume_groups_of_their_own_beside_nodes_with_other_overrides() -> None:
    nodes = {
        "rack::r1": {"features": {"cinder": {"volume": {"backends": {"lvm-r1": {"lvm": {"target_helper": "tgtadm"}}}}}}},
        "rack::r2": {"features": {"nova": {"vcpu_type": "host-passthrough"}}},
    }
    own = cloud(nodes=nodes).spec.nodes["rack::r1"].features["cinder"]
    assert isinstance(own, CinderNodeFeatures)
    assert own.volume.backends["lvm-r1"].lvm.volume_group == "cinder-vol"
