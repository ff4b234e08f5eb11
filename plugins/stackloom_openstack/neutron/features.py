"""``spec.features.neutron``: the network of the cloud. What may differ by node is in ``node_features``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from stackloom.addresses import Subnet
from stackloom.fields import Cidr, InterfaceName, IpAddress, NonEmpty, Port, SpecModel, refuse


def not_supported(what: str) -> AfterValidator:
    """Refuses a value that is not empty, because ``what`` is not built yet."""

    def check(value: Any) -> Any:
        if value:
            refuse(f"{what} is not supported yet", "Leave it out")
        return value

    return AfterValidator(check)


def _physnet(value: str) -> str:
    if re.fullmatch(r"[^\s:,]{1,64}", value) is None:
        refuse(
            f"{value!r} is not the name of a physical network",
            "Use up to 64 characters, none of them a space, a colon or a comma",
        )
    return value


def _external_bridge(value: str) -> str:
    if value in ("br-int", "br-tun"):
        refuse(f"{value!r} is a bridge that Neutron makes for itself", "Choose another name, like br-ex")
    return value


def _vlan_ranges(value: str) -> str:
    hint = "Write first:last with VLANs from 1 to 4094, several separated by commas, like 400:600,700:710"
    for part in value.split(","):
        if (ends := re.fullmatch(r"(\d{1,6}):(\d{1,6})", part)) is None:
            refuse(f"{part!r} is not a range of VLANs", hint)
        first, last = int(ends[1]), int(ends[2])
        if not (1 <= first <= 4094 and 1 <= last <= 4094):
            refuse(f"the range {part!r} has a VLAN that does not exist", hint)
        if first > last:
            refuse(f"the range {part!r} ends before it starts", f"Write {last}:{first}")
    return value


def _physical_type(value: Any) -> Any:
    if value in ("vxlan", "gre", "local"):
        refuse(
            f"a network of type {value!r} is not made on a physical network",
            "Write flat or vlan; tunnels need no physical network",
        )
    return value


PhysicalNetwork = Annotated[str, AfterValidator(_physnet)]
ExternalBridge = Annotated[InterfaceName, AfterValidator(_external_bridge)]
VlanRanges = Annotated[str, AfterValidator(_vlan_ranges)]
Vlan = Annotated[int, Field(ge=1, le=4094)]
NetworkType = Literal["flat", "vlan", "vxlan", "geneve"]
PhysicalType = Annotated[Literal["flat", "vlan"], BeforeValidator(_physical_type)]


class Dvr(SpecModel):
    """Distributed virtual routing."""

    enabled: bool
    """Route on compute nodes instead of on gateway nodes alone."""


class ExternalNetwork(SpecModel):
    """A network of the data centre to which nodes are wired."""

    physnet: PhysicalNetwork
    """Its name in Neutron."""
    interface: InterfaceName | None = None
    """The interface that is wired to it."""
    bridge: ExternalBridge
    """The Open vSwitch bridge that takes the interface in."""
    network_types: Annotated[list[PhysicalType], Field(min_length=1)]
    """What kinds of network are made on it: flat, vlan."""
    vlan_ranges: VlanRanges | None = None
    """VLANs that tenants' networks may take, like 400:600,700:710."""
    mtu: Annotated[int, Field(ge=68, le=65535)] | None = None
    """Its MTU in bytes; left out, Neutron takes 1500."""


class FloatingSubnet(Subnet):
    """The subnet of floating addresses."""

    name: NonEmpty = "public-subnet"
    """Its name in Neutron."""
    gateway: IpAddress
    """The router of the data centre, inside the range and outside the pool."""


class Router(SpecModel):
    """A router of Neutron."""

    name: NonEmpty = "r1"
    """Its name."""


class FloatingNetwork(SpecModel):
    """The network from which servers get floating addresses, made when the cloud starts."""

    enabled: bool = False
    """Make it."""
    name: NonEmpty = "public"
    """Its name in Neutron."""
    physnet: PhysicalNetwork | None = None
    """The external network on which it is. Needed when enabled, except with Tungsten Fabric."""
    network_type: Literal["flat", "vlan"] | None = None
    """flat, or vlan with a ``segmentation_id``; left out, flat."""
    segmentation_id: Vlan | None = None
    """Its VLAN."""
    subnet: FloatingSubnet | None = None
    """Its addresses. Needed when enabled."""
    router: Router = Router()
    """The router between it and the tenants."""


class Vpnaas(SpecModel):
    """VPN as a service."""

    enabled: Annotated[bool, not_supported("VPN as a service (VPNaaS)")] = False
    """Not supported yet."""


class DynamicRouting(SpecModel):
    """BGP dynamic routing."""

    enabled: Annotated[bool, not_supported("BGP dynamic routing")] = False
    """Not supported yet."""


class Portprober(SpecModel):
    """Probes of ports' reachability."""

    enabled: Annotated[bool, not_supported("probing ports (portprober, of which no package is published)")] = False
    """Not supported: its agent is in no public package."""


class Trunk(SpecModel):
    """Trunk ports: several networks on one port of a server."""

    enabled: bool = True
    """Offer trunk ports. Off with the preset compute-tf, because Tungsten Fabric brings its own."""


class Extensions(SpecModel):
    """Extensions of Neutron's API."""

    vpnaas: Vpnaas = Vpnaas()
    """VPN as a service."""
    dynamic_routing: DynamicRouting = DynamicRouting()
    """BGP dynamic routing."""
    portprober: Portprober = Portprober()
    """Probes of ports' reachability."""
    trunk: Trunk = Trunk()
    """Trunk ports."""


class Ngs(SpecModel):
    """Networking-generic-switch: switches that Neutron configures for bare-metal nodes."""

    hardware: Annotated[dict[str, Any], not_supported("configuring switches for bare-metal nodes")] = Field(default_factory=dict)
    """Not supported yet."""
    devices: Annotated[list[Any], not_supported("configuring switches for bare-metal nodes")] = Field(default_factory=list)
    """Not supported yet."""


class Baremetal(SpecModel):
    """What Neutron does for bare-metal nodes."""

    ngs: Ngs = Ngs()
    """Switches that Neutron configures."""


class RouteReflector(SpecModel):
    """A BGP route reflector on controller nodes."""

    enabled: bool = False
    """Run it."""
    neighbor_subnets: list[Cidr] = Field(default_factory=list)
    """From where BGP sessions are accepted."""


class Bgpvpn(SpecModel):
    """BGP VPN."""

    enabled: Annotated[bool, not_supported("BGP VPN")]
    """Not supported yet."""
    as_number: Annotated[int, Field(ge=1, le=4294967295)] | None = None
    """The number of the autonomous system."""
    control_interface: NonEmpty | None = None
    """The address or the interface of BGP sessions."""
    dataplane_interface: NonEmpty | None = None
    """The address or the interface of VPN traffic."""
    peers: list[IpAddress] = Field(default_factory=list)
    """BGP neighbours."""
    evpn_vxlan_port: Port | None = None
    """The UDP port of VXLAN traffic."""
    route_reflector: RouteReflector = RouteReflector()
    """A route reflector on controller nodes."""


class Ipsec(SpecModel):
    """Encryption of tenants' traffic between nodes."""

    enabled: Annotated[bool, not_supported("IPsec between nodes")]
    """Not supported yet."""


class NeutronFeatures(SpecModel):
    """Networking: Neutron."""

    tunnel_interface: InterfaceName
    """The interface of nodes that carries tenants' tunnels."""
    backend: Literal["ml2", "tungstenfabric", "ml2/ovn"] = "ml2"
    """ml2: Open vSwitch agents; ml2/ovn: OVN; tungstenfabric: Tungsten Fabric, with the preset compute-tf alone."""
    dvr: Dvr = Dvr(enabled=False)
    """Distributed virtual routing."""
    dns_servers: list[IpAddress] = Field(default_factory=list)
    """DNS servers that tenants' networks can reach; left out, they know the names of ports alone, unless a subnet has its own."""
    tenant_network_types: list[NetworkType] = Field(default_factory=list)
    """Kinds of network that tenants make, the preferred one first; left out, vxlan, and geneve with ml2/ovn."""
    external_networks: list[ExternalNetwork] = Field(default_factory=list)
    """Networks of the data centre to which nodes are wired."""
    floating_network: FloatingNetwork = FloatingNetwork()
    """The network from which servers get floating addresses."""
    extensions: Extensions = Extensions()
    """Extensions of Neutron's API."""
    baremetal: Baremetal = Baremetal()
    """What Neutron does for bare-metal nodes."""
    bgpvpn: Bgpvpn = Bgpvpn(enabled=False)
    """BGP VPN."""
    ipsec: Ipsec = Ipsec(enabled=False)
    """Encryption of tenants' traffic between nodes."""
