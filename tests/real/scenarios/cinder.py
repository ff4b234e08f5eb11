"""Cinder: volumes and backups on shares, as files that can be looked at, and locks in etcd."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.real.boot.scenario import RunningCloud, Scenario

GIB = 1024**3
PATIENCE_SECONDS = 120
NAS = {
    "volume_backend_name": "nas",
    "volume_driver": "cinder.volume.drivers.nfs.NfsDriver",
    "nas_host": "10.0.0.5",
    "nas_share_path": "/volumes",
    "nfs_snapshot_support": True,
    "nas_secure_file_operations": "false",  # else there are no snapshots
    "nas_secure_file_permissions": "false",
}
# Holds a lock as Cinder's own processes do, for as long as it says.
HOLD = """
import os, sys, time
from tooz import coordination
held = coordination.get_coordinator(os.environ["OS_COORDINATION__BACKEND_URL"], b"other")
held.start(start_heart=True)
with held.get_lock(sys.argv[1].encode()):
    keys = [about["key"].decode() for _, about in held.client.get_prefix("/tooz/locks")]
    time.sleep(float(sys.argv[2]))
held.stop()
print(*keys)
"""


def storage(cloud: RunningCloud) -> Any:
    """The SDK's part for volumes, of the version that the catalogue leads to."""
    return cloud.admin.block_storage


def files(cloud: RunningCloud, share: str) -> list[Path]:
    """The files on a share."""
    return [path for path in (cloud.node.folder / "host" / "shares" / share).rglob("*") if path.is_file()]


def file_of(cloud: RunningCloud, volume: Any) -> Path:
    """The file that a volume is. ValueError where there is none."""
    (found,) = (path for path in files(cloud, "10.0.0.5:_volumes") if path.name == f"volume-{volume.id}")
    return found


def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.3)


def made(cloud: RunningCloud, **wanted: Any) -> Any:
    """A new volume, available."""
    volumes = storage(cloud)
    volume = volumes.create_volume(size=1, **wanted)
    return volumes.wait_for_status(volume, "available", failures=["error"], interval=0.3, wait=PATIENCE_SECONDS)


def deleted(cloud: RunningCloud, volume: Any) -> None:
    storage(cloud).delete_volume(volume)
    storage(cloud).wait_for_delete(volume, interval=0.3, wait=PATIENCE_SECONDS)


def every_service_is_up_under_the_name_of_its_pod(cloud: RunningCloud) -> None:
    found = {(s.binary, s.host, s.state) for s in storage(cloud).services()}
    assert found == {
        ("cinder-scheduler", "cinder-scheduler-0", "up"),
        ("cinder-volume", "cinder-volume-nas-0@nas", "up"),
        ("cinder-backup", "cinder-backup-0", "up"),
    }


def a_volume_of_no_type_is_of_the_default_type_and_is_a_file_on_the_share(cloud: RunningCloud) -> None:
    assert "nas" in {found.name for found in storage(cloud).types()}
    volume = made(cloud, name="one")
    assert volume.volume_type == "nas"
    assert file_of(cloud, volume).stat().st_size == GIB
    deleted(cloud, volume)
    assert not [path for path in files(cloud, "10.0.0.5:_volumes") if volume.id in path.name]


def a_volume_grows(cloud: RunningCloud) -> None:
    volume = made(cloud)
    storage(cloud).extend_volume(volume, 2)
    until(lambda: storage(cloud).get_volume(volume).size == 2, "the volume has two GiB")
    assert file_of(cloud, volume).stat().st_size == 2 * GIB
    storage(cloud).wait_for_status(volume, "available", interval=0.3)
    deleted(cloud, volume)


def a_volume_from_a_snapshot_holds_what_was_there_then(cloud: RunningCloud) -> None:
    volumes = storage(cloud)
    volume = made(cloud)
    with file_of(cloud, volume).open("r+b") as file:
        file.write(b"before")
    snapshot = volumes.create_snapshot(volume_id=volume.id)
    volumes.wait_for_status(snapshot, "available", interval=0.3, wait=PATIENCE_SECONDS)
    copy = made(cloud, snapshot_id=snapshot.id)
    assert file_of(cloud, copy).read_bytes()[:6] == b"before"
    volumes.delete_snapshot(snapshot)
    volumes.wait_for_delete(snapshot, interval=0.3, wait=PATIENCE_SECONDS)
    deleted(cloud, copy)
    deleted(cloud, volume)


def a_backup_is_kept_on_the_other_share_and_can_be_restored(cloud: RunningCloud) -> None:
    volumes = storage(cloud)
    volume = made(cloud)
    with file_of(cloud, volume).open("r+b") as file:
        file.write(b"kept")
    backup = volumes.create_backup(volume_id=volume.id)
    volumes.wait_for_status(backup, "available", failures=["error"], interval=0.3, wait=PATIENCE_SECONDS)
    assert any(backup.id in str(path) for path in files(cloud, "10.0.0.6:_backups"))
    other = made(cloud)
    volumes.restore_backup(backup, volume=other.id)
    volumes.wait_for_status(other, "available", failures=["error_restoring"], interval=0.3, wait=PATIENCE_SECONDS)
    until(lambda: volumes.get_backup(backup).status == "available", "the backup is at rest")
    assert file_of(cloud, other).read_bytes()[:4] == b"kept"
    volumes.delete_backup(backup)
    volumes.wait_for_delete(backup, interval=0.3, wait=PATIENCE_SECONDS)
    assert not any(backup.id in str(path) for path in files(cloud, "10.0.0.6:_backups"))
    deleted(cloud, other)
    deleted(cloud, volume)


def a_lock_that_another_process_holds_in_etcd_holds_up_who_wants_it(cloud: RunningCloud) -> None:
    volume = made(cloud)
    lock = f"cinder-{volume.id}-delete_volume"
    with ThreadPoolExecutor() as pool:
        holder = pool.submit(cloud.node.container("cinder-scheduler").run, ["python3", "-c", HOLD, lock, "20"])
        time.sleep(10)  # a process that starts on a busy machine
        storage(cloud).delete_volume(volume)
        time.sleep(2)
        assert storage(cloud).get_volume(volume).status == "deleting"
        assert file_of(cloud, volume)
        end = holder.result()
    assert f"/tooz/locks{lock}" in end.stdout.split(), end
    storage(cloud).wait_for_delete(volume, interval=0.3, wait=PATIENCE_SECONDS)


def a_service_that_no_pod_is_any_more_is_forgotten(cloud: RunningCloud) -> None:
    forget = cloud.node.run_now("cinder-service-cleaner")
    assert "nothing to remove among 3 services" in forget.said(), forget.said()


SCENARIO = Scenario(
    services=["block-storage"],
    spec={
        "features": {
            "cinder": {
                "volume": {
                    "enabled": False,
                    "backends": {
                        "nas": {
                            "type": "statefulset",
                            "values": {"conf": {"cinder": {"DEFAULT": {"enabled_backends": "nas"}, "nas": NAS}}},
                        }
                    },
                },
                "backup": {"drivers": {"share": {"type": "nfs", "enabled": True, "backup_share": "10.0.0.6:/backups"}}},
            }
        }
    },
    shows=[
        every_service_is_up_under_the_name_of_its_pod,
        a_volume_of_no_type_is_of_the_default_type_and_is_a_file_on_the_share,
        a_volume_grows,
        a_volume_from_a_snapshot_holds_what_was_there_then,
        a_backup_is_kept_on_the_other_share_and_can_be_restored,
        a_lock_that_another_process_holds_in_etcd_holds_up_who_wants_it,
        a_service_that_no_pod_is_any_more_is_forgotten,
    ],
)
