"""Where measures are kept, and what the processes that read and write them need for it.

What comes in waits in the same place for metricd, which makes aggregates of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stackloom import Mount, SecretKey
from stackloom.fields import ValueFrom
from stackloom_openstack.gnocchi.features import Storage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stackloom.constructs.context import ServiceContext
    from stackloom.manifests.files import File

USER = "gnocchi"
FILES, CLAIM = "/var/lib/gnocchi", "gnocchi-measures"
PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """What a process of Gnocchi reads and sees for its storage, beside its own configuration."""

    config: Sequence[File] = ()
    env: Mapping[str, SecretKey] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()


def section(ctx: ServiceContext, chosen: Storage) -> dict[str, Any]:
    """``[storage]``. What comes in (``[incoming]``) is kept as that says, unless told otherwise."""
    if chosen.file:
        return {"driver": "file", "file_basepath": FILES}
    if chosen.s3:
        return {
            "driver": "s3",
            "s3_endpoint_url": chosen.s3.endpoint_url,
            "s3_region_name": chosen.s3.region_name,
            "s3_bucket_prefix": chosen.s3.bucket_prefix,
        }
    return {"driver": "ceph", "ceph_username": USER, "ceph_pool": ctx.ceph_pool("metrics")}


def access(ctx: ServiceContext, chosen: Storage) -> Access:
    """How a process reaches it."""
    if chosen.file:
        return Access(mounts=[Mount.claim(FILES, CLAIM)])
    if chosen.s3:
        keys = {"S3_ACCESS_KEY_ID": chosen.s3.access_key, "S3_SECRET_ACCESS_KEY": chosen.s3.secret_key}
        return Access(env={f"OS_STORAGE__{name}": _key(value) for name, value in keys.items()})
    return Access(config=ctx.ceph_files(USER, pools=["metrics"]))


def provide(ctx: ServiceContext, chosen: Storage) -> None:
    """The volume of files, or the way to an object store outside."""
    if chosen.file:
        spec = {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": chosen.file.pvc.size}},
            "storageClassName": chosen.file.pvc.storage_class_name,
            "volumeMode": "Filesystem",
        }
        ctx.component.add(ctx.identity(CLAIM, "measures").body("v1", "PersistentVolumeClaim", spec=spec))
    if chosen.s3:
        url = urlsplit(chosen.s3.endpoint_url)
        ctx.allow_egress(url.port or PORTS[url.scheme])


def _key(value: ValueFrom) -> SecretKey:
    return SecretKey(secret=value.value_from.secret_key_ref.name, key=value.value_from.secret_key_ref.key)
