"""What must hold between the fields of ``spec.features.cinder``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from stackloom import Problem
from stackloom.options import Option, secrets_in_clear
from stackloom_openstack.cinder.conf import CEPH, IMAGE
from stackloom_openstack.cinder.features import BackupDriver, CinderFeatures, CinderNodeFeatures, VolumeBackend, names_in

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

PATH = "spec.features.cinder"
NEEDED = {"s3": ("endpoint_url", "store_bucket", "store_access_key", "store_secret_key"), "nfs": ("backup_share",)}


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of volumes: backends that are not configured, backups without a place."""
    cinder = deployment.features_of("cinder", CinderFeatures)
    for name, backend in cinder.volume.backends.items():
        path = f"{PATH}.volume.backends.{name}.values.conf.cinder"
        if backend.enabled:
            yield from _backend(backend, path)
            yield from _pods(backend, f"{PATH}.volume.backends.{name}.values")
            taken = [f"{path}.{group}" for group, _ in backend.groups() if group == CEPH and cinder.volume.enabled]
            yield from map(_is_ceph, taken)
        for group, options in backend.values.conf.cinder.items():
            yield from secrets_in_clear(options, f"{path}.{group}")
    for name, driver in cinder.backup.drivers.items():
        yield from _driver(driver, f"{PATH}.backup.drivers.{name}")
    yield from _places(cinder)
    for label, node in deployment.spec.nodes.items():
        if isinstance(own := node.features.get("cinder"), CinderNodeFeatures):
            for name, lvm in own.volume.backends.items():
                path = f"spec.nodes.{label}.features.cinder.volume.backends.{name}"
                yield from secrets_in_clear(lvm.lvm.model_extra or {}, f"{path}.lvm")
                if name == CEPH and cinder.volume.enabled:
                    yield _is_ceph(path)


def _backend(backend: VolumeBackend, path: str) -> Iterator[Problem]:
    conf = backend.values.conf.cinder
    groups = names_in(conf.get("DEFAULT", {}).get("enabled_backends"))
    if not groups:
        yield Problem(
            path=path,
            what="the configuration does not say which of its groups are backends",
            hint="List them in DEFAULT.enabled_backends, separated by commas",
        )
    for group in groups:
        options: Mapping[str, Option] = conf.get(group, {})
        missing = [option for option in ("volume_backend_name", "volume_driver") if not options.get(option)]
        if missing:
            yield Problem(
                path=f"{path}.{group}" if group in conf else path,
                what=f"the backend {group!r} has no {' and no '.join(missing)}",
                hint=f"Give {' and '.join(missing)} in the group {group}",
            )


def _pods(backend: VolumeBackend, path: str) -> Iterator[Problem]:
    values = backend.values
    for role in values.images.tags:
        if role != IMAGE:
            what = f"a backend has no image {role!r}: all but cinder-volume runs from the service's own"
            yield Problem(path=f"{path}.images.tags.{role}", what=what, hint=f"Name it {IMAGE}, or leave it out")
    if values.pod.replicas and values.pod.replicas.volume > 1 and "host" in values.conf.cinder.get("DEFAULT", {}):
        yield Problem(
            path=f"{path}.conf.cinder.DEFAULT.host",
            what="several Pods of one name would each take the others' work for what it left itself",
            hint="Leave it out, or keep one replica",
        )


def _is_ceph(path: str) -> Problem:
    what = f"{CEPH} is the name of the backend in Ceph"
    return Problem(path=path, what=what, hint="Choose another name, or set features.cinder.volume.enabled to false")


def _driver(driver: BackupDriver, path: str) -> Iterator[Problem]:
    for kind, keys in NEEDED.items():
        for key in keys:
            given = getattr(driver, key) is not None
            if kind == driver.type and not given:
                yield Problem(path=path, what=f"a driver of type {kind} needs {key}", hint=f"Add {key}")
            if kind != driver.type and given:
                yield Problem(
                    path=f"{path}.{key}",
                    what=f"{key} belongs to a driver of type {kind}, and this one is of type {driver.type}",
                    hint="Leave it out, or change the type",
                )


def _places(cinder: CinderFeatures) -> Iterator[Problem]:
    enabled = [name for name, driver in cinder.backup.drivers.items() if driver.enabled]
    for name in enabled[1:]:
        yield Problem(
            path=f"{PATH}.backup.drivers.{name}.enabled",
            what=f"backups are kept with the driver {enabled[0]!r} already, and cinder-backup can have one",
            hint="Enable one driver alone",
        )
    if cinder.backup.enabled and not enabled and not cinder.volume.enabled:
        yield Problem(
            path=f"{PATH}.backup",
            what="without a driver backups are kept in Ceph, and volume.enabled: false says that the cloud has no Ceph",
            hint="Enable a driver, or set backup.enabled to false",
        )
