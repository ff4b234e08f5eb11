"""What the object store needs of the deployment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem
from stackloom_openstack.ceph_rgw.features import CephRgwFeatures
from stackloom_openstack.ceph_rgw.gateway import SETTLED

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

PATH = "spec.features.ceph_rgw"


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of the object store: no Ceph, two kinds of gateways, options that lead nowhere."""
    features = deployment.features_of("ceph_rgw", CephRgwFeatures)
    if features.is_own and not _has_ceph(deployment):
        yield Problem(
            path="spec.features.services",
            what="object-storage is the gateway of Ceph, and this cloud keeps neither images, volumes nor servers' disks in Ceph",
            hint="Leave out object-storage, name gateways that run already in ceph_rgw.existing, "
            "or say in spec.features.ceph where Ceph is",
        )
    if features.existing and features.rook:
        yield Problem(
            path=f"{PATH}.rook",
            what="the object store is in two places: gateways of Rook's, and those of existing",
            hint="Give existing or rook",
        )
    if features.rook and not deployment.spec.features.ceph.rook_namespace:
        yield Problem(
            path=f"{PATH}.rook",
            what="the Ceph of this cloud is not Rook's: spec.features.ceph names monitors",
            hint="Name the gateways in ceph_rgw.existing, or leave both out for gateways of this cloud's own",
        )
    if features.options and not features.is_own:
        yield Problem(
            path=f"{PATH}.options",
            what="these are options of this cloud's own gateways, and it has none",
            hint="Give them to the gateways where those are run",
        )
    for name in sorted(features.options.keys() & SETTLED):
        yield Problem(
            path=f"{PATH}.options.{name}",
            what=f"{name} follows from the deployment",
            hint="Leave it out",
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
