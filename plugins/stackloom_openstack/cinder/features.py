"""``spec.features.cinder``, and what of it differs by node (``spec.nodes.<label::value>.features.cinder``)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from stackloom.fields import DnsLabel, NonEmpty, NotNegative, Secret, SpecModel, Url, refuse
from stackloom.options import Option
from stackloom.spec.values import ImageReference, Resources


def _volume_group(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}", value) is None or value in (".", ".."):
        refuse(f"{value!r} is not the name of a volume group", "LVM allows letters, digits and + _ . - (not first)")
    return value


def _share(value: str) -> str:
    if re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):/(?!/)\S*", value) is None:
        refuse(f"{value!r} is not a share of an NFS server", "Write host:/path, like 10.0.0.5:/backup or [2001:db8::5]:/backup")
    return value


def names_in(value: Option | None) -> list[str]:
    """The names in an option that is a list, or text with commas."""
    texts = value if isinstance(value, list) else str(value or "").split(",")
    return [name for text in texts if (name := str(text).strip())]


VolumeGroup = Annotated[str, AfterValidator(_volume_group)]
NfsShare = Annotated[str, AfterValidator(_share)]


class BackendConf(SpecModel):
    """Configuration of an additional backend."""

    cinder: dict[NonEmpty, dict[NonEmpty, Option]]
    """cinder.conf, by group and option. ``DEFAULT.enabled_backends`` names the groups that are backends."""


class BackendImages(SpecModel):
    """Images of an additional backend."""

    tags: dict[NonEmpty, ImageReference] = Field(default_factory=dict)
    """Images by role, like ``cinder_volume``."""


class NodeSelector(SpecModel):
    """A label that nodes must have."""

    node_selector_key: NonEmpty
    """The label."""
    node_selector_value: str
    """Its value."""


class BackendLabels(SpecModel):
    """Where an additional backend runs."""

    volume: NodeSelector
    """The label of its nodes."""


class BackendReplicas(SpecModel):
    """How often an additional backend runs."""

    volume: NotNegative
    """Pods of cinder-volume."""


class BackendResources(SpecModel):
    """What an additional backend asks for."""

    volume: Resources
    """Requests and limits of cinder-volume."""


class BackendPod(SpecModel):
    """The Pods of an additional backend."""

    replicas: BackendReplicas | None = None
    """How often it runs."""
    resources: BackendResources | None = None
    """What it asks for."""


class BackendValues(SpecModel):
    """How an additional backend runs."""

    conf: BackendConf
    """Its configuration."""
    images: BackendImages = BackendImages()
    """Its images."""
    labels: BackendLabels | None = None
    """Where it runs; left out, on control-plane nodes."""
    pod: BackendPod = BackendPod()
    """Its Pods."""


class VolumeBackend(SpecModel):
    """A backend beside Ceph, with a cinder-volume of its own."""

    enabled: bool = True
    """Run it."""
    create_volume_type: bool = True
    """Make a volume type of the name that ``volume_backend_name`` has."""
    type: Literal["statefulset"]
    """How it runs."""
    values: BackendValues
    """What it runs with."""

    def groups(self) -> list[tuple[str, dict[str, Option]]]:
        """The groups of its configuration that are backends, which ``enabled_backends`` lists, with their options."""
        conf = self.values.conf.cinder
        return [(name, conf.get(name, {})) for name in names_in(conf.get("DEFAULT", {}).get("enabled_backends"))]


class Volume(SpecModel):
    """Where volumes are kept."""

    enabled: bool = True
    """Keep volumes in Ceph. False for a cloud without Ceph."""
    backends: dict[DnsLabel, VolumeBackend] = Field(default_factory=dict)
    """Backends beside Ceph, by name."""


class BackupDriver(SpecModel):
    """A place for backups of volumes."""

    type: Literal["s3", "nfs"]
    """What it is."""
    enabled: bool
    """Keep backups there."""
    endpoint_url: Url | None = None
    """s3: the server's URL."""
    store_bucket: NonEmpty | None = None
    """s3: the bucket."""
    store_access_key: Secret | None = None
    """s3: the access key."""
    store_secret_key: Secret | None = None
    """s3: the secret key."""
    backup_share: NfsShare | None = None
    """nfs: the share, as host:/path."""


class Backup(SpecModel):
    """Backups of volumes."""

    enabled: bool = True
    """Offer backups."""
    drivers: dict[DnsLabel, BackupDriver] = Field(default_factory=dict)
    """Where backups are kept, by name; one at most is enabled. Without one: in Ceph."""

    @property
    def driver(self) -> BackupDriver | None:
        """The driver that is enabled; None for Ceph."""
        return next((driver for driver in self.drivers.values() if driver.enabled), None)


class CinderFeatures(SpecModel):
    """Block storage: Cinder."""

    volume: Volume = Volume()
    """Where volumes are kept."""
    backup: Backup = Backup()
    """Backups of volumes."""


class Lvm(SpecModel):
    """A volume group of a node, offered over iSCSI. Further keys are options of the driver."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Option]

    volume_group: VolumeGroup = "cinder-vol"
    """The volume group."""


class NodeBackend(SpecModel):
    """A backend on each of the nodes."""

    lvm: Lvm
    """A volume group."""


class NodeVolume(SpecModel):
    """Where volumes are kept on some nodes."""

    backends: dict[DnsLabel, NodeBackend]
    """Backends on each of the nodes, by name; the name is also the volume type's."""


class CinderNodeFeatures(SpecModel):
    """Cinder on some nodes."""

    volume: NodeVolume
    """Where volumes are kept there."""
