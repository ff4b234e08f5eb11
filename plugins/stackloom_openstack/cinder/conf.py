"""What all of Cinder's processes are told: cinder.conf, and the files that it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stackloom import Resources
from stackloom_openstack.cinder.features import CinderFeatures, CinderNodeFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.variants import Variant
    from stackloom.manifests.files import File
    from stackloom.spec.deployment import OpenStackDeployment

Sections = dict[str, dict[str, Any]]

MAIN = "/etc/cinder/cinder.conf"
STATE = "/var/lib/cinder"
# What works on volumes: images are converted in memory, and what is half written is to be left in good order.
WORKING, GRACE_SECONDS = Resources(cpu="200m", memory="512Mi", memory_limit="4Gi"), 90
# The backend, the pool of the scheduler and the volume type that Ceph is.
CEPH = "rbd"
# What the CR calls the image of a backend.
IMAGE = "cinder_volume"
# Where backups are seen that lie on a share.
SHARE = f"{STATE}/backup"
PRIVSEP = ("cinder_sys_admin", "privsep_osbrick")


def main_files(ctx: ServiceContext, variant: Variant | None = None) -> tuple[File, ...]:
    """cinder.conf and what every process reads with it; on the nodes of a ``variant`` with what is set for them."""
    others: dict[str, Any] = {"variant": variant} if variant else {}
    accounts = [group for group, needed in _ACCOUNTS.items() if not needed or ctx.graph.provides(needed)]
    return (
        *ctx.oslo_config("cinder.conf", sections(ctx), accounts=accounts, **others),
        *ctx.coordination_files(),
    )


def main_env(ctx: ServiceContext) -> dict[str, str]:
    """What every long-running process is told beside the files: where locks are held, which counts as a secret in the file."""
    return {"OS_COORDINATION__BACKEND_URL": ctx.coordination_url()}


def sections(ctx: ServiceContext) -> Sections:
    """cinder.conf. Backends beside Ceph are told to their own cinder-volume alone."""
    features = ctx.features_as(CinderFeatures)
    # What needs privileges runs as root, and starts the helper itself: there is no sudo.
    helper = {"helper_command": f"privsep-helper --config-file {MAIN}"}
    conf: Sections = {
        "DEFAULT": {"default_volume_type": default_type(ctx.deployment), **backups(ctx, features)},
        "service_user": {"send_service_user_token": True},
        **dict.fromkeys(PRIVSEP, helper),
    }
    if features.volume.enabled:
        conf["DEFAULT"]["enabled_backends"] = [CEPH]
        conf[CEPH] = {
            "volume_driver": "cinder.volume.drivers.rbd.RBDDriver",
            "volume_backend_name": CEPH,
            "rbd_ceph_conf": "/etc/ceph/ceph.conf",
            "rbd_user": "cinder",
            "rbd_pool": ctx.ceph_pool("volumes"),
            "report_discard_supported": True,
        }
    if ctx.graph.provides("image"):
        signed = ctx.deployment.feature("glance.signature.enabled")
        conf["DEFAULT"] |= {
            "glance_catalog_info": "image::internalURL",
            "verify_glance_signatures": "enabled" if signed else "disabled",
        }
    if ctx.graph.provides("compute"):
        conf["nova"] = {"interface": "internal"}
    if ctx.graph.provides("key-manager"):
        conf["barbican"] = {
            "auth_endpoint": ctx.url("identity"),
            "barbican_endpoint_type": "internal",
            "barbican_region_name": ctx.deployment.spec.region_name,
            "send_service_user_token": True,
        }
    return conf


def backups(ctx: ServiceContext, features: CinderFeatures) -> dict[str, Any]:
    """Where backups are kept."""
    driver = features.backup.driver
    if not features.backup.enabled:
        return {}
    if driver is None:
        return {
            "backup_driver": "cinder.backup.drivers.ceph.CephBackupDriver",
            "backup_ceph_user": "cinder",
            "backup_ceph_pool": ctx.ceph_pool("backups"),
        }
    if driver.type == "s3":
        return {
            "backup_driver": "cinder.backup.drivers.s3.S3BackupDriver",
            "backup_s3_endpoint_url": driver.endpoint_url,
            "backup_s3_store_bucket": driver.store_bucket,
        }
    # The kubelet mounts the share, so that the Pod needs no right to mount anything.
    return {"backup_driver": "cinder.backup.drivers.posix.PosixBackupDriver", "backup_posix_path": SHARE}


# The sections with which Cinder logs in to others, and what must be there for them.
_ACCOUNTS = {"service_user": "", "nova": "compute", "glance": "image", "barbican_service_user": "key-manager"}


def ceph_files(ctx: ServiceContext) -> tuple[File, ...]:
    """How Ceph is reached by what reads and writes volumes, where any are kept there."""
    features = ctx.features_as(CinderFeatures)
    kept = {"volumes": features.volume.enabled, "backups": features.backup.enabled and features.backup.driver is None}
    pools = [pool for pool, used in kept.items() if used]
    return ctx.ceph_files("cinder", pools=pools, reads=["images"]) if pools else ()


def volume_types(deployment: OpenStackDeployment) -> dict[str, str]:
    """The volume types that are made, and for each the name that its backends give themselves. The first is the default."""
    features = deployment.features_of("cinder", CinderFeatures)
    names = [CEPH] if features.volume.enabled else []
    for backend in features.volume.backends.values():
        if backend.enabled and backend.create_volume_type:
            names += [str(options["volume_backend_name"]) for _, options in backend.groups()]
    names += [name for _, own in nodes_with_volumes(deployment) for name in own.volume.backends]
    return {name: name for name in dict.fromkeys(names)}


def nodes_with_volumes(deployment: OpenStackDeployment) -> Iterator[tuple[str, CinderNodeFeatures]]:
    """The nodes that keep volumes themselves, by label."""
    for label, node in deployment.spec.nodes.items():
        if isinstance(own := node.features.get("cinder"), CinderNodeFeatures):
            yield label, own


def default_type(deployment: OpenStackDeployment) -> str | None:
    """What a volume is where its user does not say; None for Cinder's own type, which is kept anywhere."""
    return next(iter(volume_types(deployment)), None)
