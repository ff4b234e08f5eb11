"""``spec.features.octavia``: who carries load balancers, and their management network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stackloom.addresses import Subnet
from stackloom.fields import NonEmpty, SpecModel


class LbNetwork(SpecModel):
    """The network on which Octavia reaches its amphorae."""

    name: NonEmpty = "lb-mgmt-net"
    """The network's name in Neutron."""
    subnets: Annotated[list[Subnet], Field(min_length=1)]
    """Its subnets, which must not overlap."""


class OctaviaFeatures(SpecModel):
    """Load balancing: Octavia."""

    default_provider: Literal["amphorav2", "ovn", "tungstenfabric"] = "amphorav2"
    """What carries a load balancer of which the user does not say it: amphorav2 (servers with HAProxy), or ovn with the
    backend ml2/ovn. No published image has the driver tungstenfabric: it is refused."""
    lb_network: LbNetwork = LbNetwork(subnets=[Subnet(range="10.255.0.0/16", pool_start="10.255.1.0", pool_end="10.255.255.254")])
    """The network on which Octavia reaches its amphorae."""
