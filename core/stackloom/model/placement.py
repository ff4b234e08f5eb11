"""Where Pods may run: the four labels of the reference architecture."""

from __future__ import annotations

from enum import Enum


class NodeRole(Enum):
    """A kind of node. A node may have several; each is the label ``<value>=enabled``."""

    CONTROL_PLANE = "openstack-control-plane"
    COMPUTE = "openstack-compute-node"
    OPENVSWITCH = "openvswitch"
    GATEWAY = "openstack-gateway"

    @property
    def labels(self) -> dict[str, str]:
        """The node labels that the role means."""
        return {self.value: "enabled"}
