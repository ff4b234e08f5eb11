"""Disks and volumes in Ceph: Nova and QEMU reach both as Cinder's user, with whom volumes are attached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_DNS, uuid5

from stackloom import Container, Privilege, Resources, SecretFile
from stackloom_openstack.nova.features import NovaFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

USER, POOL = "cinder", "vms"
_DIRECTORY = "/etc/stackloom/ceph"
_SECRET = """\
<secret ephemeral='no' private='no'>
  <uuid>{uuid}</uuid>
  <usage type='ceph'>
    <name>client.{user}</name>
  </usage>
</secret>
"""
# libvirt reads secrets when it starts. Their directory is the Pod's: no key stays on the node.
_PUT = """\
install -d -m 700 /etc/libvirt/secrets
install -m 600 {directory}/secret.xml /etc/libvirt/secrets/{uuid}.xml
install -m 600 {directory}/key/key /etc/libvirt/secrets/{uuid}.base64
"""


def is_used(ctx: ServiceContext, features: NovaFeatures) -> bool:
    """Whether servers have disks or volumes in Ceph."""
    if features.images.backend == "ceph":
        return True
    return ctx.deployment.has("block-storage") and bool(ctx.deployment.feature("cinder.volume.enabled"))


def options(ctx: ServiceContext, features: NovaFeatures) -> dict[str, Any]:
    """What ``[libvirt]`` says of it."""
    conf: dict[str, Any] = {}
    if is_used(ctx, features):
        conf |= {"rbd_user": USER, "rbd_secret_uuid": secret_uuid(ctx), "disk_cachemodes": ["network=writeback"]}
    if features.images.backend == "ceph":
        conf |= {
            "images_rbd_pool": ctx.ceph_pool(POOL),
            "images_rbd_ceph_conf": "/etc/ceph/ceph.conf",
            # What a server deletes is given back to the pool.
            "hw_disk_discard": "unmap",
        }
    return conf


def files(ctx: ServiceContext, features: NovaFeatures) -> Sequence[SecretFile]:
    """What nova-compute reaches Ceph with: it makes disks there, as clones of images."""
    if features.images.backend == "ceph":
        return ctx.ceph_files(USER, pools=[POOL], reads=["images"])
    return ctx.ceph_files(USER) if is_used(ctx, features) else ()


def secret_uuid(ctx: ServiceContext) -> str:
    """By what libvirt knows the key: the same on all nodes, because servers take it along when they migrate."""
    return str(uuid5(NAMESPACE_DNS, f"{USER}.ceph.{ctx.deployment.metadata.name}"))


def secret(ctx: ServiceContext, features: NovaFeatures) -> Sequence[Container]:
    """The init container that gives libvirt the key."""
    if not is_used(ctx, features):
        return ()
    key, uuid = ctx.ceph_user_key(USER), secret_uuid(ctx)
    put = Container(
        name="ceph-secret",
        image=ctx.image("libvirt"),
        command=["bash", "-ec", _PUT.format(directory=_DIRECTORY, uuid=uuid)],
        files=[
            ctx.file(f"{_DIRECTORY}/secret.xml", _SECRET.format(uuid=uuid, user=USER)),
            SecretFile(f"{_DIRECTORY}/key/key", key.secret, key.key),
        ],
        writable=["/etc/libvirt"],
        resources=Resources(cpu="10m", memory="16Mi", memory_limit="64Mi").body(),
        privilege=Privilege(
            reason="gives libvirt, which is root, the key to servers' disks", user=0, capabilities=("DAC_OVERRIDE",)
        ),
    )
    return [put]
