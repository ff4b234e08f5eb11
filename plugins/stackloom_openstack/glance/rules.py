"""What must hold between the fields of ``spec.features.glance`` and the rest of the deployment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem
from stackloom.options import secrets_in_clear
from stackloom_openstack.glance.features import Backends, CinderStore, GlanceFeatures, RbdStore, Signature

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

PATH = "spec.features.glance"


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of images: stores that contradict each other, and what they need of other services."""
    glance = deployment.features_of("glance", GlanceFeatures)
    yield from _signature(glance.signature, deployment)
    yield from _names(glance.backends)
    yield from _defaults(glance.backends)
    yield from _cinder(glance.backends.cinder, deployment)
    yield from _rbd(glance.backends.rbd)
    for kind, name, store in glance.backends.stores():
        yield from secrets_in_clear(store.model_extra or {}, f"{PATH}.backends.{kind}.{name}")
    for name in list(glance.backends.file)[1:]:
        yield Problem(
            path=f"{PATH}.backends.file.{name}",
            what="there is a second file store, and Glance can have one",
            hint="Keep one of them, or keep images in Ceph or Cinder as well",
        )


def _signature(signature: Signature, deployment: OpenStackDeployment) -> Iterator[Problem]:
    if signature.certificate_validation and not signature.enabled:
        yield Problem(
            path=f"{PATH}.signature.certificate_validation",
            what="signers' certificates are checked only where signatures are",
            hint="Set signature.enabled to true as well, or leave this out",
        )
    elif signature.certificate_validation:
        yield Problem(
            path=f"{PATH}.signature.certificate_validation",
            what="Nova will remove the option that this is (glance.enable_certificate_validation)",
            hint="Leave it out, or set that option in values.conf.nova of compute.nova, and excuse it in values.unchecked",
        )
    if signature.enabled and not deployment.has("key-manager"):
        yield Problem(
            path=f"{PATH}.signature.enabled",
            what="signatures are checked with certificates from the key manager, and key-manager is not among the services",
            hint="Add key-manager to spec.features.services",
        )


def _names(backends: Backends) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for kind, name, _ in backends.stores():
        if name in seen:
            yield Problem(
                path=f"{PATH}.backends.{kind}.{name}",
                what=f"the {seen[name]} store has the name {name!r} already",
                hint="Give each store a name of its own, whatever its type",
            )
        seen.setdefault(name, kind)


def _defaults(backends: Backends) -> Iterator[Problem]:
    stores = list(backends.stores())
    defaults = [(kind, name) for kind, name, store in stores if store.default]
    if stores and not defaults:
        names = ", ".join(name for _, name, _ in stores)
        yield Problem(path=f"{PATH}.backends", what="no store is the default", hint=f"Set default: true on one of: {names}")
    for kind, name in defaults[1:]:
        yield Problem(
            path=f"{PATH}.backends.{kind}.{name}.default",
            what=f"{defaults[0][1]!r} is the default already",
            hint="Set default: true on one store alone",
        )


def _rbd(stores: dict[str, RbdStore]) -> Iterator[Problem]:
    """Ceph and its user are the deployment's: a store could name a file that no Pod has."""
    for name, store in stores.items():
        for option in sorted({"rbd_store_ceph_conf", "rbd_store_user"} & (store.model_extra or {}).keys()):
            yield Problem(
                path=f"{PATH}.backends.rbd.{name}.{option}",
                what="Ceph is that of spec.features.ceph, and Glance's user there is made for it",
                hint="Leave it out; a pool of its own is rbd_store_pool",
            )


def _cinder(stores: dict[str, CinderStore], deployment: OpenStackDeployment) -> Iterator[Problem]:
    if stores and not deployment.has("block-storage"):
        yield Problem(
            path=f"{PATH}.backends.cinder",
            what="images are kept in volumes of Cinder, and block-storage is not among the services",
            hint="Add block-storage to spec.features.services, or keep images in Ceph or in files",
        )
    for name, store in stores.items():
        path = f"{PATH}.backends.cinder.{name}"
        if store.cinder_volume_type is None and store.backend_name is None:
            yield Problem(
                path=path, what="the store does not say where its volumes are", hint="Give cinder_volume_type or backend_name"
            )
        if store.cinder_volume_type is not None and store.backend_name is not None:
            yield Problem(
                path=f"{path}.backend_name",
                what="the store has cinder_volume_type as well, and both say where its volumes are",
                hint="Leave one of them out",
            )
