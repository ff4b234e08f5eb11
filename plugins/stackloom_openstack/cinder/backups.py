"""Backups of volumes: cinder-backup."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stackloom import BySize, Mount, PodField, SecretKey
from stackloom_openstack.cinder.attaching import AS_ROOT, Access, attaching, only_ceph
from stackloom_openstack.cinder.conf import GRACE_SECONDS, MAIN, SHARE, STATE, WORKING, ceph_files, main_env, main_files
from stackloom_openstack.cinder.features import BackupDriver, CinderFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.fields import SecretSource

COPIES = "cinder-backup attaches the volumes that it copies to this node"


def run(ctx: ServiceContext, *, after: Sequence[Part]) -> list[Part]:
    """cinder-backup, where backups are offered.

    Each Pod has a name of its own that stays: with a name for all, each that starts would give up what the others are copying.
    """
    backup = ctx.features_as(CinderFeatures).backup
    if not backup.enabled:
        return []
    share = [share_of(backup.driver)] if backup.driver and backup.driver.type == "nfs" else []
    privileged: Access = {"privilege": AS_ROOT, "mounts": share} if only_ceph(ctx) else attaching(COPIES, share)
    part = ctx.stateful(
        "backup",
        command=["cinder-backup", "--config-file", MAIN],
        config=[*main_files(ctx), *ceph_files(ctx)],
        env={**main_env(ctx), **keys_of(ctx, backup.driver), "OS_DEFAULT__HOST": PodField("metadata.name")},
        replicas=BySize(tiny=3, small=3, medium=3),
        writable=[STATE],
        resources=WORKING,
        grace_seconds=GRACE_SECONDS,
        after=after,
        **privileged,
    )
    return [part]


def share_of(driver: BackupDriver) -> Mount:
    """The share, as the kubelet mounts it."""
    server, _, path = str(driver.backup_share).rpartition(":/")
    return Mount(path=SHARE, body={"nfs": {"server": server.strip("[]"), "path": f"/{path}"}})


def keys_of(ctx: ServiceContext, driver: BackupDriver | None) -> dict[str, SecretKey]:
    """The keys of an object store, and the way to it."""
    if driver is None or driver.type != "s3":
        return {}
    url = urlsplit(str(driver.endpoint_url))
    ctx.allow_egress(url.port or (443 if url.scheme == "https" else 80))

    given = {"ACCESS": driver.store_access_key, "SECRET": driver.store_secret_key}
    return {f"OS_DEFAULT__BACKUP_S3_STORE_{name}_KEY": _key(value.value_from) for name, value in given.items() if value}


def _key(source: SecretSource) -> SecretKey:
    return SecretKey(secret=source.secret_key_ref.name, key=source.secret_key_ref.key)
