"""What must hold between the fields of ``spec.features.nova``, its overrides by node, and the other services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackloom import Problem
from stackloom_openstack.nova.features import Images, NovaFeatures, NovaNodeFeatures

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

PATH = "spec.features.nova"


@dataclass(frozen=True)
class _Disks:
    """How local disks are kept in the end on nodes whose settings stand at ``path``."""

    path: str
    backend: str
    encrypted: bool
    cipher: str
    key_size: int


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of compute: disks that cannot be kept as asked, consoles that contradict themselves."""
    nova = deployment.features_of("nova", NovaFeatures)
    if nova.console.novnc.tls.enabled and not nova.console.novnc.enabled:
        yield Problem(
            path=f"{PATH}.console.novnc.tls.enabled",
            what="TLS is asked for a console that is off",
            hint="Set novnc.enabled to true, or leave tls out",
        )
    everywhere = _Disks(
        f"{PATH}.images",
        nova.images.backend,
        nova.images.encryption.enabled,
        nova.images.encryption.cipher,
        nova.images.encryption.key_size,
    )
    yield from _disks(everywhere, deployment)
    for label, node in deployment.spec.nodes.items():
        if isinstance(own := node.features.get("nova"), NovaNodeFeatures) and (disks := _on_nodes(own, nova.images, label)):
            yield from _disks(disks, deployment)


def _on_nodes(own: NovaNodeFeatures, images: Images, label: str) -> _Disks | None:
    """The disks of nodes with an override, or None where it says nothing of disks."""
    encryption = own.images.encryption
    if "images" not in own.model_fields_set:
        return None
    return _Disks(
        f"spec.nodes.{label}.features.nova.images",
        own.images.backend or images.backend,
        images.encryption.enabled if encryption.enabled is None else encryption.enabled,
        encryption.cipher or images.encryption.cipher,
        encryption.key_size or images.encryption.key_size,
    )


def _disks(disks: _Disks, deployment: OpenStackDeployment) -> Iterator[Problem]:
    if disks.backend == "ceph" and not deployment.has("block-storage"):
        yield Problem(
            path=f"{disks.path}.backend",
            what="disks in Ceph are reached with Cinder's account, and block-storage is not among the services",
            hint="Add block-storage to spec.features.services, or choose another backend",
        )
    if not disks.encrypted:
        return
    if disks.backend != "lvm":
        yield Problem(
            path=f"{disks.path}.encryption",
            what=f"disks are encrypted only with the backend lvm, and the backend is {disks.backend}",
            hint="Set backend to lvm, or encryption.enabled to false",
        )
    if not deployment.has("key-manager"):
        yield Problem(
            path=f"{disks.path}.encryption",
            what="the keys of encrypted disks are kept in the key manager, and key-manager is not among the services",
            hint="Add key-manager to spec.features.services",
        )
    sizes = (256, 384, 512) if "-xts-" in disks.cipher else (128, 192, 256)
    if disks.key_size not in sizes:
        yield Problem(
            path=f"{disks.path}.encryption.key_size",
            what=f"{disks.cipher} takes no key of {disks.key_size} bits",
            hint=f"Choose one of {', '.join(map(str, sizes))}",
        )
