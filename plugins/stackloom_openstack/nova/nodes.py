"""What holds on a kind of compute nodes in the end: the features of all, what differs there, and what the network does there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackloom.fields import SpecModel
from stackloom_openstack.nova.features import NovaFeatures

if TYPE_CHECKING:
    from stackloom.constructs.variants import Variant

KIB_OF_PAGE = {"2Mi": 2048, "1Gi": 1024**2}


def on_nodes(features: NovaFeatures, variant: Variant) -> NovaFeatures:
    """``spec.features.nova`` with what an override says of its nodes; both have the same names."""
    own = variant.features
    return NovaFeatures.model_validate(_over(features.model_dump(), own.model_dump())) if isinstance(own, SpecModel) else features


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        if isinstance(value, Mapping):
            merged[key] = _over(base[key], value)
        elif value is not None:
            merged[key] = value
    return merged


def differs(variant: Variant) -> bool:
    """Whether nova-compute is another one there."""
    network = Network.of(variant)
    return variant.features is not None or bool(variant.conf) or network.userspace or any(network.device_spec())


@dataclass(frozen=True, slots=True)
class Network:
    """``spec.nodes.<label>.features.neutron``, as far as servers are concerned.

    It belongs to another plugin, whose models this one does not know: it is read as the plain values that the operator gave.
    """

    said: Mapping[str, Any]

    @classmethod
    def of(cls, variant: Variant) -> Network:
        """The network of a variant's nodes."""
        own = variant.beside.get("neutron")
        return cls(own.model_dump() if isinstance(own, SpecModel) else {})

    def device_spec(self) -> Iterator[dict[str, str]]:
        """The cards whose virtual functions servers may get, as Nova describes them."""
        sriov = self.said.get("sriov") or {}
        for nic in sriov.get("nics", ()) if sriov.get("enabled") else ():
            named = {"devname": nic["device"], **({"physical_network": nic["physnet"]} if nic.get("physnet") else {})}
            yield {**named, "trusted": nic["trusted"]}

    @property
    def userspace(self) -> bool:
        """Whether servers are plugged into a switch in userspace, over memory that they share with it."""
        return bool((self.said.get("dpdk") or {}).get("enabled"))

    def reserved_huge_pages(self) -> Iterator[str]:
        """The huge pages that the switch itself takes, by NUMA node: no server gets them."""
        if self.userspace:
            dpdk = self.said["dpdk"]
            page = KIB_OF_PAGE[dpdk["hugepages"]["size"]]
            for node, megabytes in enumerate(dpdk["socket_memory"].split(",")):
                if pages := -(-int(megabytes) * 1024 // page):
                    yield f"node:{node},size:{page},count:{pages}"
