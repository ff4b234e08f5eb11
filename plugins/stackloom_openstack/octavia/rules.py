"""What must hold between the fields of ``spec.features.octavia`` and the network's backend."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stackloom import Problem
from stackloom.addresses import Subnet, pool_problems
from stackloom_openstack.octavia.features import OctaviaFeatures

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

PATH = "spec.features.octavia"


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of load balancing: a provider that the network lacks, a management network that cannot be made."""
    octavia = deployment.features_of("octavia", OctaviaFeatures)
    backend = deployment.feature("neutron.backend")
    if deployment.spec.preset == "compute-tf":
        yield Problem(
            path="spec.features.services",
            what="Octavia reaches no amphorae through Tungsten Fabric, and no published image has its own driver",
            hint="Leave load-balancer out, or choose another network",
        )
    elif octavia.default_provider == "tungstenfabric":
        yield Problem(
            path=f"{PATH}.default_provider",
            what="no published image has the provider tungstenfabric",
            hint="Set it to amphorav2, or with spec.features.neutron.backend ml2/ovn to ovn",
        )
    elif octavia.default_provider == "ovn" and backend != "ml2/ovn":
        yield Problem(
            path=f"{PATH}.default_provider",
            what=f"the provider ovn needs the network's backend ml2/ovn, and that is {backend}",
            hint="Set it to amphorav2, or spec.features.neutron.backend to ml2/ovn",
        )
    yield from _subnets(octavia.lb_network.subnets)


def _subnets(subnets: Sequence[Subnet]) -> Iterator[Problem]:
    for index, subnet in enumerate(subnets):
        path = f"{PATH}.lb_network.subnets[{index}]"
        yield from pool_problems(subnet, path)
        network = ipaddress.ip_network(subnet.range)
        for earlier in subnets[:index]:
            other = ipaddress.ip_network(earlier.range)
            if network.version == other.version and network.overlaps(other):
                yield Problem(
                    path=f"{path}.range",
                    what=f"{network} overlaps {other}, which is a subnet of the same network",
                    hint="Take ranges that have no address in common",
                )
