"""``spec.features.glance``: where images are kept, and whether they must be signed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from stackloom.fields import NonEmpty, ObjectName, Pvc, SpecModel, StorageSize, refuse
from stackloom.options import Option


def _store_name(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) is None:
        refuse(f"{name!r} is not the name of a store", "Use letters, digits, dashes, dots and underscores")
    if name.startswith("os_glance_"):
        refuse(f"{name!r} starts with os_glance_, which Glance keeps for itself", "Choose another name")
    return name


def _backend_name(value: str) -> str:
    if re.fullmatch(r"[^\s:]+:[^\s:]+", value) is None:
        refuse(f"{value!r} does not name a volume type and a backend", "Write type:backend, like lvm:lvm-backend")
    return value


StoreName = Annotated[str, AfterValidator(_store_name)]


class Store(SpecModel):
    """What all stores have."""

    default: bool = False
    """Keep an image here if its owner did not choose a store. True for exactly one store."""


class OpenStore(Store):
    """A store that takes options. Further keys are options of glance_store."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Option]


class RbdStore(OpenStore):
    """A pool of Ceph. Further keys are glance_store's options of rbd, like ``rbd_store_pool``."""


class CinderStore(OpenStore):
    """Volumes of Cinder. Further keys are glance_store's options of cinder."""

    cinder_volume_type: NonEmpty | None = None
    """The volume type of images. Give this or ``backend_name``."""
    backend_name: Annotated[str, AfterValidator(_backend_name)] | None = None
    """``type:backend``: a volume type of this name is made for the backend that Cinder calls so."""

    @property
    def volume_type(self) -> str:
        """The volume type of images."""
        return self.cinder_volume_type or str(self.backend_name).partition(":")[0]


class FileStore(Store):
    """Files on a volume that all API Pods mount."""

    pvc: Pvc
    """The volume."""


class Backends(SpecModel):
    """Stores by type and name."""

    cinder: dict[StoreName, CinderStore] = Field(default_factory=dict)
    """Volumes of Cinder."""
    rbd: dict[StoreName, RbdStore] = Field(default_factory=dict)
    """Pools of Ceph."""
    file: dict[StoreName, FileStore] = Field(default_factory=dict)
    """Files on a volume; one at most."""

    def stores(self) -> Iterator[tuple[str, str, Store]]:
        """Type, name and settings of each store."""
        for kind, stores in (("cinder", self.cinder), ("rbd", self.rbd), ("file", self.file)):
            for name, store in stores.items():
                yield kind, name, store


class Signature(SpecModel):
    """Signatures of images."""

    enabled: bool = False
    """Refuse images that are not signed or whose signature is wrong; also when Nova and Cinder use them."""
    certificate_validation: bool = False
    """Check the signer's certificate as well."""


class Staging(SpecModel):
    """A volume of its own for each API Pod."""

    size: StorageSize
    """Its size: that of all images that are on their way into a store at one time, and of the cache."""
    storage_class_name: ObjectName | None = None
    """Its storage class. Absent: the cluster's default."""


class GlanceFeatures(SpecModel):
    """Images: Glance."""

    backends: Backends = Backends()
    """Where images are kept. Without any: in one pool of Ceph."""
    staging: Staging | None = None
    """Room for what is on its way into a store. Absent: on the node's disk. What a file store's volume holds already needs
    none. (Not in the CR.)"""
    signature: Signature = Signature()
    """Signatures of images."""
