"""``spec.nodes.<label::value>.features.neutron``: what of the network differs by node."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from stackloom.fields import InterfaceName, NonEmpty, Positive, SpecModel, refuse
from stackloom_openstack.neutron.features import PhysicalNetwork, not_supported


def _pci_id(value: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]", value) is None:
        refuse(
            f"{value!r} is not the address of a PCI device",
            "Write domain:bus:device.function as lspci -D prints it, like 0000:05:00.0",
        )
    return value


def _interface_address(value: str) -> str:
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        refuse(f"{value!r} is not an address with its network", "Write it like 10.12.2.80/24")
    return value


def _socket_memory(value: str) -> str:
    if re.fullmatch(r"\d+(,\d+)*", value) is None:
        refuse(f"{value!r} is not memory by NUMA node", "Write megabytes for each NUMA node, separated by commas, like 1024,1024")
    return value


def _hugepages(value: str) -> str:
    if re.fullmatch(r"[1-9]\d*(Mi|Gi)", value) is None:
        refuse(f"{value!r} is not an amount of memory", "Write it like 1Gi or 512Mi")
    return value


PciId = Annotated[str, AfterValidator(_pci_id)]
InterfaceAddress = Annotated[str, AfterValidator(_interface_address)]
SocketMemory = Annotated[str, AfterValidator(_socket_memory)]
HugepagesAmount = Annotated[str, AfterValidator(_hugepages)]
# The CR writes this one truth value as text.
TextBool = Annotated[Literal["true", "false"], BeforeValidator(lambda v: str(v).lower() if isinstance(v, bool) else v)]


class SriovHooks(SpecModel):
    """Shell commands that prepare a card."""

    init: str = ""
    """Run when the agent starts."""
    pre_init: str = ""
    """Run before ``init``."""


class SriovNic(SpecModel):
    """A card that is shared out as virtual functions."""

    device: InterfaceName
    """Its interface."""
    num_vfs: Positive
    """How many virtual functions are made of it."""
    hooks: SriovHooks = SriovHooks()
    """Shell commands that prepare it."""
    physnet: PhysicalNetwork | None = None
    """The external network to which it is wired."""
    mtu: Positive | None = None
    """Its MTU in bytes."""
    trusted: TextBool = "false"
    """Let servers change the MAC address of their virtual functions."""


class Sriov(SpecModel):
    """SR-IOV on some nodes."""

    enabled: bool
    """Run the SR-IOV agent."""
    nics: list[SriovNic] = Field(default_factory=list)
    """The cards. Needed when enabled."""


class DpdkBridge(SpecModel):
    """A bridge of Open vSwitch in userspace."""

    name: InterfaceName
    """Its name."""
    ip_address: InterfaceAddress
    """The node's address on it, with its network, like 10.12.2.80/24."""


class DpdkPort(SpecModel):
    """A card that DPDK drives."""

    name: InterfaceName
    """The name of its port in Open vSwitch."""
    pci_id: PciId
    """Its PCI address, like 0000:05:00.0."""


class DpdkNic(DpdkPort):
    """A card that is plugged into a bridge by itself."""

    bridge: InterfaceName
    """The bridge that takes it in, one of ``bridges``."""


class DpdkBond(SpecModel):
    """Several cards that are plugged into a bridge as one."""

    name: InterfaceName
    """The name of its port in Open vSwitch."""
    bridge: InterfaceName
    """The bridge that takes it in, one of ``bridges``."""
    ovs_options: str = ""
    """Options of the bond in Open vSwitch, like bond_mode=active-backup."""
    nics: list[DpdkPort]
    """Its cards."""


class Hugepages(SpecModel):
    """Huge pages for Open vSwitch."""

    size: Literal["1Gi", "2Mi"] = "2Mi"
    """The size of a page."""
    amount: HugepagesAmount = "1Gi"
    """Their sum."""


class Dpdk(SpecModel):
    """Open vSwitch in userspace with DPDK on some nodes."""

    enabled: bool
    """Use DPDK."""
    driver: NonEmpty
    """The kernel driver to which the cards are bound, like vfio-pci."""
    socket_memory: SocketMemory = "1024"
    """Megabytes for each NUMA node, separated by commas."""
    bridges: list[DpdkBridge] = Field(default_factory=list)
    """The bridges. Needed when enabled."""
    nics: list[DpdkNic] = Field(default_factory=list)
    """Cards that are plugged in by themselves."""
    bonds: list[DpdkBond] = Field(default_factory=list)
    """Cards that are plugged in as bonds."""
    hugepages: Hugepages = Hugepages()
    """Huge pages for Open vSwitch."""


class NodeBgpvpn(SpecModel):
    """BGP VPN on some nodes."""

    enabled: Annotated[bool, not_supported("BGP VPN")]
    """Not supported yet."""


class NeutronNodeFeatures(SpecModel):
    """Neutron on some nodes; what is left out is as in ``spec.features.neutron``."""

    tunnel_interface: InterfaceName | None = None
    """The interface that carries tenants' tunnels."""
    sriov: Sriov | None = None
    """SR-IOV."""
    dpdk: Dpdk | None = None
    """DPDK."""
    bgpvpn: NodeBgpvpn | None = None
    """BGP VPN."""
