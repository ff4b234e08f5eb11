"""Clouds with a network, written as what differs from a usual one."""

from __future__ import annotations

from typing import Any

from stackloom import Output
from tests.bad_inputs import USUAL, patched

NETWORKS = [
    {"physnet": "physnet1", "interface": "ens4", "bridge": "br-ex", "network_types": ["flat"]},
    {"physnet": "physnet2", "interface": "ens5", "bridge": "br-prv", "network_types": ["vlan"], "vlan_ranges": "400:600,700:710"},
]
FLOATING = {
    "enabled": True,
    "physnet": "physnet1",
    "subnet": {"range": "10.11.12.0/24", "pool_start": "10.11.12.100", "pool_end": "10.11.12.200", "gateway": "10.11.12.11"},
}
DPDK: dict[str, Any] = {
    "enabled": True,
    "driver": "vfio-pci",
    "bridges": [{"name": "br-phy", "ip_address": "10.12.2.80/24"}],
    "nics": [{"name": "nic01", "pci_id": "0000:05:00.0", "bridge": "br-phy"}],
}
SRIOV = {"enabled": True, "nics": [{"device": "ens7", "num_vfs": 8, "physnet": "physnet2", "trusted": "true", "mtu": 9000}]}


def cloud(neutron: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small cloud of networking and identity alone, with what differs."""
    usual = {"tunnel_interface": "ens3", "external_networks": NETWORKS, "floating_network": FLOATING}
    data = patched(USUAL, {"spec": {"size": "small", "features": {"services": ["identity", "networking"], "neutron": usual}}})
    return patched(patched(data, {"spec": {"features": {"neutron": neutron or {}}}}), {"spec": spec})


def on_nodes(**labels: dict[str, Any]) -> dict[str, Any]:
    """``spec.nodes`` with these features of Neutron for racks by name."""
    return {f"rack::{rack}": {"features": {"neutron": features}} for rack, features in labels.items()}


def conf(output: list[Output], key: str, *, component: str = "neutron") -> dict[str, dict[str, str]]:
    """A file of the configuration as sections of options."""
    (etc,) = (o.body["data"] for o in output if o.path == f"{component}/ConfigMap/{component}-etc")
    sections: dict[str, dict[str, str]] = {}
    for line in etc[key].splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line:
            name, _, value = line.partition("=")
            section[name.strip()] = value.strip()
    return sections


def pod_of(output: list[Output], path: str) -> dict[str, Any]:
    """The specification of the Pods that an object makes."""
    (found,) = (o.body["spec"]["template"]["spec"] for o in output if o.path == path)
    return found  # type: ignore[no-any-return]
