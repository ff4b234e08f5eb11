"""``spec.features.nova``, and what of it may differ by node (``spec.nodes.<label::value>.features.nova``)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from stackloom.fields import InterfaceName, Ratio, SpecModel, refuse

HOST_CPUS = ("host-model", "host-passthrough")
KEY_SIZES = (128, 192, 256, 384, 512)


def _vcpu_type(value: str) -> str:
    models = value.split(",")
    for model in models:
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", model) is None:
            refuse(
                f"{model!r} is not the name of a CPU model",
                "Write host-model, host-passthrough, or models like 'Skylake-Server,Haswell'",
            )
    if len(models) > 1 and (host := next((m for m in models if m in HOST_CPUS), None)):
        refuse(f"{host!r} cannot stand beside other CPU types", f"Write {host!r} alone, or only the names of CPU models")
    if repeated := next((m for m in models if models.count(m) > 1), None):
        refuse(f"the CPU model {repeated!r} stands in the list twice", "Name each model once")
    return value


def _volume_group(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}", value) is None or value in (".", ".."):
        refuse(f"{value!r} is not the name of a volume group", "LVM allows letters, digits and + _ . - (not first)")
    return value


def _cipher(value: str) -> str:
    if re.fullmatch(r"[a-z0-9]+-[a-z0-9]+-[a-z0-9]+(:[a-z0-9]+)?", value) is None:
        refuse(f"{value!r} is not a cipher as dm-crypt writes it", "Write cipher-mode-iv, like aes-xts-plain64")
    return value


def _key_size(bits: int) -> int:
    if bits not in KEY_SIZES:
        refuse(f"no cipher takes a key of {bits} bits", f"Choose one of {', '.join(map(str, KEY_SIZES))}")
    return bits


VcpuType = Annotated[str, AfterValidator(_vcpu_type)]
VolumeGroup = Annotated[str, AfterValidator(_volume_group)]
Cipher = Annotated[str, AfterValidator(_cipher)]
KeySize = Annotated[int, AfterValidator(_key_size)]
ImagesBackend = Literal["local", "qcow2", "ceph", "lvm", "raw"]


class AllocationRatios(SpecModel):
    """How much more than it has a compute node may promise. Read when a node first registers; changed later in Placement."""

    cpu: Ratio = 8.0
    """Virtual CPUs for each CPU of the node."""
    disk: Ratio = 1.6
    """Promised bytes for each byte of local disk."""
    ram: Ratio = 1.0
    """Promised bytes for each byte of memory."""


class LibvirtTls(SpecModel):
    """TLS between compute nodes."""

    enabled: bool = False
    """Encrypt what servers take along when they migrate (QEMU-native TLS). The libvirt daemons speak TLS in any case."""


class Libvirt(SpecModel):
    """The libvirt daemon on compute nodes."""

    tls: LibvirtTls = LibvirtTls()
    """TLS between compute nodes."""


class Spice(SpecModel):
    """The SPICE console."""

    enabled: bool = False
    """Offer SPICE consoles."""


class VncTls(SpecModel):
    """TLS between the noVNC proxy and the compute nodes."""

    enabled: bool = False
    """Encrypt, with certificates checked on both sides."""


class NoVnc(SpecModel):
    """The VNC console in the browser."""

    enabled: bool = True
    """Offer VNC consoles."""
    tls: VncTls = VncTls()
    """TLS between the proxy and the compute nodes."""


class Console(SpecModel):
    """The consoles of servers."""

    spice: Spice = Spice()
    """The SPICE console."""
    novnc: NoVnc = NoVnc()
    """The VNC console in the browser."""


class Encryption(SpecModel):
    """Encryption of servers' local disks, which the backend lvm can do."""

    enabled: bool = False
    """Encrypt, with keys kept in the key manager."""
    cipher: Cipher = "aes-xts-plain64"
    """The cipher and its mode, as dm-crypt writes them."""
    key_size: KeySize = 256
    """The key's length in bits; XTS splits the key in two, so 256 there means AES-128."""


class ImagesLvm(SpecModel):
    """What the backend lvm needs."""

    volume_group: VolumeGroup = "nova-vol"
    """The volume group on each compute node."""


class Images(SpecModel):
    """Where servers' local disks are kept."""

    backend: ImagesBackend = "qcow2"
    """qcow2 or raw: files on the node; lvm: logical volumes on the node; ceph: RBD. ``local`` is the old name of qcow2."""
    encryption: Encryption = Encryption()
    """Encryption of local disks."""
    lvm: ImagesLvm = ImagesLvm()
    """What the backend lvm needs."""


class NovaFeatures(SpecModel):
    """Compute: Nova and libvirt."""

    live_migration_interface: InterfaceName
    """The interface of compute nodes over which servers migrate and consoles are reached."""
    vcpu_type: VcpuType = "host-model"
    """The CPU that servers see: host-model, host-passthrough, or QEMU's CPU models, separated by commas."""
    allocation_ratios: AllocationRatios = AllocationRatios()
    """How much more than it has a compute node may promise."""
    libvirt: Libvirt = Libvirt()
    """The libvirt daemon on compute nodes."""
    console: Console = Console()
    """The consoles of servers."""
    images: Images = Images()
    """Where servers' local disks are kept."""


class NodeAllocationRatios(SpecModel):
    """Allocation ratios of some nodes; what is left out is as in ``spec.features.nova``."""

    cpu: Ratio | None = None
    """Virtual CPUs for each CPU of the node."""
    disk: Ratio | None = None
    """Promised bytes for each byte of local disk."""
    ram: Ratio | None = None
    """Promised bytes for each byte of memory."""


class NodeEncryption(SpecModel):
    """Encryption of local disks on some nodes; what is left out is as in ``spec.features.nova``."""

    enabled: bool | None = None
    """Encrypt, with keys kept in the key manager."""
    cipher: Cipher | None = None
    """The cipher and its mode, as dm-crypt writes them."""
    key_size: KeySize | None = None
    """The key's length in bits."""


class NodeImagesLvm(SpecModel):
    """What the backend lvm needs on some nodes."""

    volume_group: VolumeGroup | None = None
    """The volume group on each of the nodes."""


class NodeImages(SpecModel):
    """Where servers' local disks are kept on some nodes; what is left out is as in ``spec.features.nova``."""

    backend: ImagesBackend | None = None
    """qcow2 or raw: files; lvm: logical volumes; ceph: RBD. ``local`` is the old name of qcow2."""
    encryption: NodeEncryption = NodeEncryption()
    """Encryption of local disks."""
    lvm: NodeImagesLvm = NodeImagesLvm()
    """What the backend lvm needs."""


class NovaNodeFeatures(SpecModel):
    """Nova on some nodes; what is left out is as in ``spec.features.nova``."""

    live_migration_interface: InterfaceName | None = None
    """The interface over which servers migrate and consoles are reached."""
    vcpu_type: VcpuType | None = None
    """The CPU that servers see."""
    allocation_ratios: NodeAllocationRatios = NodeAllocationRatios()
    """How much more than it has a compute node may promise."""
    images: NodeImages = NodeImages()
    """Where servers' local disks are kept."""
