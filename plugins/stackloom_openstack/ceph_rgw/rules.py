"""What the object store needs of the deployment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """A problem where the cloud has no Ceph, whose gateway the object store is."""
    if not _has_ceph(deployment):
        yield Problem(
            path="spec.features.services",
            what="object-storage is the gateway of Ceph, and this cloud keeps neither images, volumes nor servers' disks in Ceph",
            hint="Leave out object-storage, or keep images (glance.backends.rbd) or volumes (cinder.volume) in Ceph",
        )


def _has_ceph(deployment: OpenStackDeployment) -> bool:
    """Whether the deployment says where Ceph is, or any service is told to keep its data there, as in the CR."""
    if "ceph" in deployment.spec.features.model_fields_set:
        return True
    glance, cinder, nova = (deployment.feature(name, {}) for name in ("glance", "cinder", "nova"))
    stores = glance.get("backends", {})
    images = deployment.has("image") and (bool(stores.get("rbd")) or not any(stores.values()))
    volumes = deployment.has("block-storage") and cinder.get("volume", {}).get("enabled", True)
    disks = deployment.has("compute") and nova.get("images", {}).get("backend") == "ceph"
    return bool(images or volumes or disks)
