"""What must hold in ``spec.nodes.<label::value>.features.neutron``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem, did_you_mean
from stackloom_openstack.neutron.features import NeutronFeatures
from stackloom_openstack.neutron.node_features import Dpdk, Hugepages, NeutronNodeFeatures, Sriov

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

_MEBIBYTES = {"Mi": 1, "Gi": 1024}


def rules(deployment: OpenStackDeployment, neutron: NeutronFeatures) -> Iterator[Problem]:
    """Problems of SR-IOV and DPDK on nodes, where they are enabled."""
    for label, node in deployment.spec.nodes.items():
        if not isinstance(own := node.features.get("neutron"), NeutronNodeFeatures):
            continue
        path = f"spec.nodes.{label}.features.neutron"
        if own.sriov and own.sriov.enabled:
            yield from _sriov(own.sriov, neutron, f"{path}.sriov")
        if own.dpdk and own.dpdk.enabled:
            yield from _dpdk(own.dpdk, neutron, f"{path}.dpdk")


def _sriov(sriov: Sriov, neutron: NeutronFeatures, path: str) -> Iterator[Problem]:
    if not sriov.nics:
        yield Problem(path=path, what="SR-IOV is enabled without a card", hint="Add nics, or set enabled to false")
    known = [n.physnet for n in neutron.external_networks]
    for index, nic in enumerate(sriov.nics):
        if nic.physnet is not None and nic.physnet not in known:
            yield Problem(
                path=f"{path}.nics[{index}].physnet",
                what=f"{nic.physnet!r} is not among external_networks",
                hint=did_you_mean(nic.physnet, known) or "Add it to spec.features.neutron.external_networks",
            )
        if nic.device in [other.device for other in sriov.nics[:index]]:
            yield Problem(
                path=f"{path}.nics[{index}].device", what=f"{nic.device!r} stands in the list twice", hint="Name each card once"
            )


def _dpdk(dpdk: Dpdk, neutron: NeutronFeatures, path: str) -> Iterator[Problem]:
    if neutron.backend != "ml2":
        yield Problem(
            path=f"{path}.enabled",
            what=f"DPDK needs the backend ml2, and the backend is {neutron.backend}",
            hint="Set it to false, or spec.features.neutron.backend to ml2",
        )
    if not dpdk.bridges:
        yield Problem(path=path, what="DPDK is enabled without a bridge", hint="Add bridges, each with name and ip_address")
    if not dpdk.nics and not dpdk.bonds:
        yield Problem(path=path, what="DPDK is enabled without a card", hint="Add nics or bonds")
    yield from _ports(dpdk, path)
    yield from _hugepages(dpdk.hugepages, f"{path}.hugepages")


def _ports(dpdk: Dpdk, path: str) -> Iterator[Problem]:
    """Ports whose bridge does not exist, and cards and names that are taken twice."""
    bridges = [bridge.name for bridge in dpdk.bridges]
    plugged = [(f"nics[{i}]", nic.name, nic.bridge) for i, nic in enumerate(dpdk.nics)]
    plugged += [(f"bonds[{i}]", bond.name, bond.bridge) for i, bond in enumerate(dpdk.bonds)]
    for where, _, bridge in plugged:
        if dpdk.bridges and bridge not in bridges:
            hint = did_you_mean(bridge, bridges)
            yield Problem(path=f"{path}.{where}.bridge", what=f"{bridge!r} is not among bridges", hint=hint)
    members = [(f"bonds[{i}].nics[{j}]", nic) for i, bond in enumerate(dpdk.bonds) for j, nic in enumerate(bond.nics)]
    names = [(f"bridges[{i}].name", bridge.name) for i, bridge in enumerate(dpdk.bridges)]
    names += [(f"{where}.name", name) for where, name, _ in plugged] + [(f"{where}.name", nic.name) for where, nic in members]
    cards = [(f"nics[{i}].pci_id", nic.pci_id) for i, nic in enumerate(dpdk.nics)]
    cards += [(f"{where}.pci_id", nic.pci_id) for where, nic in members]
    for taken in (names, cards):
        for index, (where, value) in enumerate(taken):
            if earlier := next((w for w, v in taken[:index] if v.lower() == value.lower()), None):
                yield Problem(path=f"{path}.{where}", what=f"{value!r} stands already in {earlier}", hint="Take another one")


def _hugepages(hugepages: Hugepages, path: str) -> Iterator[Problem]:
    amount, size = (int(text[:-2]) * _MEBIBYTES[text[-2:]] for text in (hugepages.amount, hugepages.size))
    if amount % size:
        yield Problem(
            path=f"{path}.amount",
            what=f"{hugepages.amount} cannot be made of pages of {hugepages.size}",
            hint=f"Take a multiple of {hugepages.size}, or a smaller size",
        )
