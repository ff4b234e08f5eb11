"""``spec.features.database``: removal of deleted rows, and backups."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from stackloom.fields import CronSchedule, NonEmpty, NotNegative, ObjectName, Positive, Secret, SpecModel, Url, ValueFrom, refuse
from stackloom.spec.values import Quantity


class CleanupSettings(SpecModel):
    """A CronJob that removes rows which were marked as deleted long ago. What is left out is the service's own default."""

    enabled: bool = True
    """Run it."""
    schedule: CronSchedule | None = None
    """When it runs, as five fields of cron."""
    age: NotNegative | None = None
    """For how many days rows are kept after their deletion."""
    batch: Annotated[int, Field(ge=-1)] | None = None
    """How many rows are removed at a time; -1 is all."""


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        refuse(f"{value!r} is not an absolute path", "Write it like /exports/backup")
    return value


def _host(value: str) -> str:
    if re.fullmatch(r"[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?|[0-9a-fA-F:]+", value) is None:
        refuse(f"{value!r} is neither a host name nor an IP address", "Write it like 10.0.0.5 or nfs.example.org")
    return value


class PvNfs(SpecModel):
    """A share of an NFS server."""

    server: Annotated[str, AfterValidator(_host)]
    """The server's host name or address."""
    path: Annotated[str, AfterValidator(_absolute)]
    """The share's path on the server."""


class RemoteConf(SpecModel):
    """Options of an rclone remote. Further keys are what rclone documents for the type."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, StrictBool | StrictInt | StrictStr | ValueFrom]

    type: NonEmpty
    """The type of storage as rclone names it, like ``s3``."""
    provider: NonEmpty | None = None
    """Who offers the storage, like ``AWS`` or ``Ceph``; required for ``s3``."""
    access_key_id: NonEmpty | ValueFrom | None = None
    """The account's name, or a reference to it; required for ``s3``."""
    secret_access_key: Secret | None = None
    """A reference to the account's secret key; required for ``s3``."""
    endpoint: Url | None = None
    """The storage's address; required for ``Ceph``."""


class Remote(SpecModel):
    """A place outside the cluster to which backups are copied."""

    path: NonEmpty
    """The bucket or folder."""
    conf: RemoteConf
    """How rclone reaches it."""


class SyncRemote(SpecModel):
    """Copies of the backups outside the cluster."""

    enabled: bool
    """Copy each backup."""
    remotes: dict[ObjectName, Remote] = Field(default_factory=dict)
    """Where to, by a name of your own. One at most."""


class Encryption(SpecModel):
    """Encryption of the backups."""

    enabled: bool = False
    """Encrypt each backup with a key from the cloud's credentials."""


class Archive(SpecModel):
    """Binary logs, kept with the backups: with them any moment since the oldest backup can be restored."""

    enabled: bool = True
    """Keep them."""
    interval: Annotated[int, Field(ge=5, le=3600)] = 60
    """Every so many seconds what was written is fetched: at most so much is lost with all servers."""


class HostPath(SpecModel):
    """A directory of a node."""

    node: NonEmpty
    """The node's name (its label kubernetes.io/hostname). Backups are made there and nowhere else."""
    path: Annotated[str, AfterValidator(_absolute)] = "/var/lib/stackloom/mariadb-backup"
    """The directory on the node; it is made if there is none."""


class Backup(SpecModel):
    """Backups of the databases, and a CronJob that asks for them."""

    enabled: bool
    """Make them."""
    schedule_time: CronSchedule = "0 1 * * *"
    """When it runs, as five fields of cron."""
    backup_type: Literal["incremental", "full"] = "incremental"
    """``incremental``: what changed since the last one, and all every ``full_backup_cycle`` seconds; ``full``: always all."""
    backups_to_keep: Positive = 10
    """How many full backups are kept."""
    full_backup_cycle: Positive = 604800
    """Seconds from one full backup to the next, where ``backup_type`` is ``incremental``."""
    backend: Literal["pvc", "pv_nfs", "hostpath"] = "pvc"
    """Where backups are written: a volume of ``persistent_volume_storage_class``, an NFS share, or a directory of the host."""
    volume_size: Quantity = "50Gi"
    """What the volume must have, with the backend ``pvc``. Kubernetes lets nobody change it once backups are there."""
    pv_nfs: PvNfs | None = None
    """The share; required with the backend ``pv_nfs``."""
    hostpath: HostPath | None = None
    """The directory and its node; required with the backend ``hostpath``."""
    archive: Archive = Archive()
    """Binary logs, from which a point in time is restored."""
    sync_remote: SyncRemote | None = None
    """Copies of the backups outside the cluster."""
    encryption: Encryption = Encryption()
    """Encryption of the backups."""


class Database(SpecModel):
    """Care for the databases."""

    cleanup: dict[str, CleanupSettings] = Field(default_factory=dict)
    """Removal of deleted rows, by the name of the service."""
    backup: Backup = Backup(enabled=False)
    """Backups."""
