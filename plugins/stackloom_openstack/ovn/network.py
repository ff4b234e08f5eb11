"""What OVN must know of Neutron's features, in a reading of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.variants import Variant


class ExternalNetwork(BaseModel):
    """A network of the data centre, and the bridge that takes its interface in."""

    physnet: str
    bridge: str


class Network(BaseModel):
    """Of ``spec.features.neutron``, what concerns OVN."""

    backend: str
    tunnel_interface: str
    external_networks: list[ExternalNetwork] = []

    @property
    def bridge_mappings(self) -> str:
        """``physnet1:br-ex,...``, as OVN reads it."""
        return ",".join(f"{network.physnet}:{network.bridge}" for network in self.external_networks)


class Dpdk(BaseModel):
    """Whether Open vSwitch runs in userspace."""

    enabled: bool = False


class NodeNetwork(BaseModel):
    """Of ``spec.nodes.<label::value>.features.neutron``, what concerns OVN."""

    tunnel_interface: str | None = None
    dpdk: Dpdk | None = None


def network_of(ctx: ServiceContext) -> Network | None:
    """The cloud's network; None where it is made otherwise than by OVN."""
    if ctx.deployment.feature("neutron.backend") != "ml2/ovn":  # or there is no Neutron
        return None
    return Network.model_validate(ctx.deployment.feature("neutron"))


def network_on(variant: Variant) -> NodeNetwork:
    """What differs on the nodes of a variant."""
    return NodeNetwork.model_validate(variant.features.model_dump() if variant.features else {})
