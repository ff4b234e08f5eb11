"""Where images are kept: the stores of the deployment as sections of glance-api.conf, with what each needs of a Pod."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stackloom import BLOCK_STORAGE, Mount, Privilege, SecretKey
from stackloom.fields import ValueFrom
from stackloom_openstack.glance.features import CinderStore, FileStore, GlanceFeatures, RbdStore, Store

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.manifests.files import File

Sections = dict[str, dict[str, Any]]

HOME = "/var/lib/glance"
# Images in files, and what is on its way into a store, where all Pods see it.
SHARED = f"{HOME}/shared"
# What each Pod has for itself.
OWN = f"{HOME}/own"
STAGING, TASKS = RESERVED = ("os_glance_staging_store", "os_glance_tasks_store")
CLAIM = "glance-images"


def stores(features: GlanceFeatures) -> list[tuple[str, str, Store]]:
    """Type, name and settings of each store, the default first. Without any in the deployment: one pool of Ceph."""
    found = list(features.backends.stores()) or [("rbd", "rbd", RbdStore(default=True))]
    return sorted(found, key=lambda store: not store[2].default)


def has(features: GlanceFeatures, kind: str) -> bool:
    """Whether a store is of this type."""
    return any(found == kind for found, _, _ in stores(features))


def sections(ctx: ServiceContext, features: GlanceFeatures) -> Sections:
    """The stores, and where Glance keeps what is not an image yet."""
    found = stores(features)
    room = SHARED if has(features, "file") else OWN
    return {
        "DEFAULT": {"enabled_backends": [f"{name}:{kind}" for kind, name, _ in found]},
        "glance_store": {"default_backend": found[0][1]},
        **{name: {**_options(ctx, store), **_plain(store)} for _, name, store in found},
        STAGING: {"filesystem_store_datadir": f"{room}/staging"},
        TASKS: {"filesystem_store_datadir": f"{room}/tasks"},
    }


def _options(ctx: ServiceContext, store: Store) -> dict[str, Any]:
    """What follows from the deployment, below what the operator says of the store."""
    match store:
        case RbdStore():
            return {"rbd_store_pool": ctx.ceph_pool("images"), "rbd_store_user": "glance"}
        case FileStore():
            return {"filesystem_store_datadir": f"{SHARED}/images"}
        case CinderStore():
            # Volumes of images are Glance's own, and not those of whoever uploads.
            return {
                "cinder_catalog_info": f"{ctx.endpoint('block-storage').type}::internalURL",
                "cinder_os_region_name": ctx.deployment.spec.region_name,
                "cinder_store_auth_address": ctx.url("identity"),
                "cinder_store_user_name": ctx.account_env()["OS_USERNAME"],
                "cinder_store_user_domain_name": "service",
                "cinder_store_project_name": "service",
                "cinder_store_project_domain_name": "service",
                "cinder_volume_type": store.volume_type,
                "cinder_mount_point_base": f"{OWN}/mnt",
            }
    return {}


def _plain(store: Store) -> dict[str, Any]:
    return {name: value for name, value in (store.model_extra or {}).items() if not isinstance(value, ValueFrom)}


def env(ctx: ServiceContext, features: GlanceFeatures) -> dict[str, SecretKey]:
    """The stores' options that are secrets, as variables."""
    own_password = ctx.account_env()["OS_PASSWORD"]
    found: dict[str, SecretKey] = {}
    for _, name, store in stores(features):
        if isinstance(store, CinderStore) and isinstance(own_password, SecretKey):
            found[f"OS_{name}__CINDER_STORE_PASSWORD".upper()] = own_password
        for option, value in (store.model_extra or {}).items():
            if isinstance(value, ValueFrom):
                ref = value.value_from.secret_key_ref
                found[f"OS_{name}__{option}".upper()] = SecretKey(secret=ref.name, key=ref.key)
    return found


def files(ctx: ServiceContext, features: GlanceFeatures) -> tuple[File, ...]:
    """What the API reads for its stores."""
    return (*_ceph_files(ctx, features), *_privsep_files(ctx, features))


def _privsep_files(ctx: ServiceContext, features: GlanceFeatures) -> tuple[File, ...]:
    """What attaches volumes runs as root, and starts its helper itself: there is no sudo. No service declares this section."""
    if not has(features, "cinder"):
        return ()
    text = "[privsep_osbrick]\nhelper_command = privsep-helper --config-file /etc/glance/glance-api.conf\n"
    return (ctx.file("/etc/glance/glance.conf.d/privsep.conf", text),)


def _ceph_files(ctx: ServiceContext, features: GlanceFeatures) -> tuple[File, ...]:
    """How Ceph is reached, where a store is there: with the right to the pools of all such stores."""
    pools = [(store.model_extra or {}).get("rbd_store_pool") for _, _, store in stores(features) if isinstance(store, RbdStore)]
    if not pools:
        return ()
    named = [str(pool) for pool in pools if pool]
    return tuple(ctx.ceph_files("glance", pools=["images"] if len(named) < len(pools) else [], named=named))


def mounts(features: GlanceFeatures) -> Iterator[Mount]:
    """The volumes of an API Pod: the claim of files, room of its own for what is staged, the node's devices."""
    if has(features, "file"):
        yield Mount.claim(SHARED, CLAIM)
    if features.staging is not None:
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": features.staging.size}},
            "volumeMode": "Filesystem",
            **({"storageClassName": name} if (name := features.staging.storage_class_name) else {}),
        }
        yield Mount(path=OWN, body={"ephemeral": {"volumeClaimTemplate": {"spec": spec}}})
    if has(features, "cinder"):
        yield from BLOCK_STORAGE


def writable(features: GlanceFeatures) -> list[str]:
    """What else it may write, lost with the Pod."""
    return [] if features.staging is not None else [OWN]


def privilege(features: GlanceFeatures) -> Privilege | None:
    """Volumes are attached to the node; iSCSI's sessions belong to its network, too."""
    if not has(features, "cinder"):
        return None
    return Privilege(reason="attaches the volumes in which images are kept to its node, and mounts them", privileged=True)


def claim(ctx: ServiceContext, features: GlanceFeatures) -> None:
    """The volume of files, which all API Pods write."""
    for store in features.backends.file.values():
        spec = {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": store.pvc.size}},
            "storageClassName": store.pvc.storage_class_name,
            "volumeMode": "Filesystem",
        }
        ctx.component.add(ctx.identity(CLAIM, "images").body("v1", "PersistentVolumeClaim", spec=spec))
