"""What must hold between the fields of ``spec.features.neutron``, the preset and the overrides by node."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stackloom import Problem, did_you_mean
from stackloom.addresses import outside_range, pool_problems
from stackloom_openstack.neutron import node_rules
from stackloom_openstack.neutron.features import ExternalNetwork, FloatingNetwork, FloatingSubnet, NeutronFeatures

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

PATH = "spec.features.neutron"
FLOATING = f"{PATH}.floating_network"


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of the network: backends, physical networks, tenants' networks, floating addresses, nodes."""
    neutron = deployment.features_of("neutron", NeutronFeatures)
    yield from _backend(neutron, deployment.spec.preset)
    if deployment.spec.preset == "compute-tf":
        yield from _not_of_tungsten(neutron)
    yield from _external_networks(neutron.external_networks)
    yield from _tenant_networks(neutron)
    yield from _floating_network(neutron, deployment.spec.preset)
    yield from node_rules.rules(deployment, neutron)


def _backend(neutron: NeutronFeatures, preset: str) -> Iterator[Problem]:
    tungsten = neutron.backend == "tungstenfabric"
    if tungsten and preset != "compute-tf":
        yield Problem(
            path=f"{PATH}.backend",
            what=f"Tungsten Fabric comes with the preset compute-tf, and the preset is {preset}",
            hint="Set spec.preset to compute-tf, or choose ml2 or ml2/ovn",
        )
    if preset == "compute-tf" and not tungsten:
        yield Problem(
            path=f"{PATH}.backend",
            what=f"the preset compute-tf means Tungsten Fabric, and the backend is {neutron.backend}",
            hint="Leave backend out, or set spec.preset to compute",
        )


def _not_of_tungsten(neutron: NeutronFeatures) -> Iterator[Problem]:
    """What is said to Neutron's own backends, and reaches no one where Tungsten Fabric carries the traffic."""
    given = {
        "dvr.enabled": neutron.dvr.enabled,
        "dns_servers": bool(neutron.dns_servers),
        "tenant_network_types": bool(neutron.tenant_network_types),
    }
    for field, is_given in given.items():
        if is_given and neutron.backend == "tungstenfabric":
            yield Problem(
                path=f"{PATH}.{field}",
                what="Tungsten Fabric is told this by its own operator",
                hint="Leave it out",
            )


def _external_networks(networks: Sequence[ExternalNetwork]) -> Iterator[Problem]:
    for key in ("physnet", "bridge", "interface"):
        seen: dict[str, str] = {}
        for index, network in enumerate(networks):
            if (value := getattr(network, key)) is None:
                continue
            if value in seen:
                yield Problem(
                    path=f"{PATH}.external_networks[{index}].{key}",
                    what=f"{value!r} stands already in {seen[value]}",
                    hint=f"Give each external network its own {key}",
                )
            seen.setdefault(value, f"external_networks[{index}]")
    for index, network in enumerate(networks):
        if network.vlan_ranges is not None and "vlan" not in network.network_types:
            yield Problem(
                path=f"{PATH}.external_networks[{index}].vlan_ranges",
                what=f"{network.physnet!r} has VLANs for tenants, and vlan is not among its network_types",
                hint="Add vlan to network_types, or leave vlan_ranges out",
            )


def _tenant_networks(neutron: NeutronFeatures) -> Iterator[Problem]:
    types = neutron.tenant_network_types
    for index, kind in enumerate(types):
        path = f"{PATH}.tenant_network_types[{index}]"
        if kind in types[:index]:
            yield Problem(path=path, what=f"{kind} stands in the list twice", hint="Name each type once")
        elif kind == "geneve" and neutron.backend != "ml2/ovn":
            yield Problem(
                path=path,
                what=f"networks of type geneve need the backend ml2/ovn, and the backend is {neutron.backend}",
                hint="Take vxlan, or set backend to ml2/ovn",
            )
        elif kind == "vlan" and not any(n.vlan_ranges and "vlan" in n.network_types for n in neutron.external_networks):
            yield Problem(
                path=path,
                what="no external network has VLANs for tenants' networks of type vlan",
                hint="Give an external network the network type vlan and vlan_ranges, or leave vlan out",
            )


def _floating_network(neutron: NeutronFeatures, preset: str) -> Iterator[Problem]:
    floating = neutron.floating_network
    if floating.subnet is not None:
        yield from _floating_subnet(floating.subnet)
    if not floating.enabled:
        return
    if floating.subnet is None:
        yield Problem(
            path=FLOATING,
            what="the floating network has no subnet",
            hint="Add subnet with range, pool_start, pool_end and gateway, or set enabled to false",
        )
    if neutron.backend != "tungstenfabric":
        yield from _provider(floating, neutron.external_networks)
    elif preset == "compute-tf":
        yield from _tungsten_provider(floating)


def _floating_subnet(subnet: FloatingSubnet) -> Iterator[Problem]:
    path = f"{FLOATING}.subnet"
    yield from pool_problems(subnet, path)
    yield from outside_range(subnet.range, {"gateway": subnet.gateway}, path)
    start, end, gateway = (ipaddress.ip_address(a) for a in (subnet.pool_start, subnet.pool_end, subnet.gateway))
    if start.version == end.version == gateway.version and int(start) <= int(gateway) <= int(end):
        yield Problem(
            path=f"{path}.gateway",
            what=f"the gateway {gateway} is in the pool, so that a server would get its address",
            hint="Shorten the pool, or take another gateway",
        )


def _tungsten_provider(floating: FloatingNetwork) -> Iterator[Problem]:
    given = {key: getattr(floating, key) is not None for key in ("physnet", "network_type", "segmentation_id")}
    if any(given.values()) and not all(given.values()):
        missing = " and ".join(key for key, is_given in given.items() if not is_given)
        yield Problem(
            path=FLOATING,
            what=f"Tungsten Fabric wants all of physnet, network_type and segmentation_id, or none; there is no {missing}",
            hint=f"Add {missing}, or leave all three out",
        )


def _provider(floating: FloatingNetwork, networks: Sequence[ExternalNetwork]) -> Iterator[Problem]:
    """Whether the floating network fits the external network on which it is to be made."""
    if floating.physnet is None:
        yield Problem(
            path=FLOATING,
            what="the floating network does not say on which external network it is",
            hint="Add physnet with the physnet of one of external_networks",
        )
        return
    physical = next((n for n in networks if n.physnet == floating.physnet), None)
    kind = floating.network_type or "flat"
    if physical is None:
        yield Problem(
            path=f"{FLOATING}.physnet",
            what=f"{floating.physnet!r} is not among external_networks",
            hint=did_you_mean(floating.physnet, [n.physnet for n in networks]) or f"Add it to {PATH}.external_networks",
        )
    elif kind not in physical.network_types:
        yield Problem(
            path=f"{FLOATING}.network_type" if floating.network_type else f"{FLOATING}.physnet",
            what=f"the floating network is of type {kind}, and {floating.physnet!r} takes {', '.join(physical.network_types)}",
            hint=f"Add {kind} to the network_types of {floating.physnet}, or set network_type to one of those",
        )
    if kind == "vlan" and floating.segmentation_id is None:
        yield Problem(
            path=f"{FLOATING}.network_type",
            what="a network of type vlan needs its VLAN",
            hint="Add segmentation_id with a number from 1 to 4094",
        )
    if kind == "flat" and floating.segmentation_id is not None:
        yield Problem(
            path=f"{FLOATING}.segmentation_id",
            what="a network of type flat has no VLAN",
            hint="Set network_type to vlan, or leave segmentation_id out",
        )
