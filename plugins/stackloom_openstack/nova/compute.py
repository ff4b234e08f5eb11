"""nova-compute on compute nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stackloom import Gate, Mount, NodeRole, Privilege, Resources
from stackloom_openstack.nova import ceph
from stackloom_openstack.nova.config import Sections, over
from stackloom_openstack.nova.features import NovaFeatures
from stackloom_openstack.nova.hypervisor import compute_sections
from stackloom_openstack.nova.libvirt import ON_THIS_NODE
from stackloom_openstack.nova.nodes import Network, differs, on_nodes

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

# Images are converted here, by qemu-img, whose memory is the container's.
RESOURCES = Resources(cpu="200m", memory="512Mi", memory_limit="4Gi")
PRIVILEGE = Privilege(reason="attaches disks and devices of the node to servers: iSCSI, LVM, NFS, PCI", privileged=True)
# No database is reached from a compute node: conductors do that.
DATABASES = ("api_database", "database")
MOUNTS = (
    Mount.host("/dev"),
    Mount.host("/lib/modules", read_only=True),
    # Shares that are mounted here for servers' disks are there for QEMU too, and outlive this Pod.
    Mount.host("/var/lib/nova", kind="DirectoryOrCreate", propagation="Bidirectional"),
    Mount.host("/var/lib/libvirt", kind="DirectoryOrCreate"),
    Mount.host("/run/libvirt", kind="DirectoryOrCreate"),
    Mount.host("/run/openvswitch", kind="DirectoryOrCreate"),
    # The node's own iscsid, multipathd and udevd do the work: they are asked over the node's network and these directories.
    Mount.host("/run/udev", kind="DirectoryOrCreate"),
    Mount.host("/run/lock", kind="DirectoryOrCreate"),
    Mount.host("/etc/iscsi", kind="DirectoryOrCreate"),
    Mount.host("/etc/multipath", kind="DirectoryOrCreate"),
    Mount.host("/etc/nvme", kind="DirectoryOrCreate"),
)


def agents(
    ctx: ServiceContext, features: NovaFeatures, shared: Sections, accounts: Sequence[str], *, after: Sequence[Any]
) -> None:
    """A DaemonSet for each kind of compute nodes."""
    for variant in ctx.variants(differs, beside=["neutron"]):
        here = on_nodes(features, variant)
        sections = over(shared, compute_sections(ctx, here, Network.of(variant)))
        ctx.agent(
            "compute",
            variant=variant,
            role_of_nodes=NodeRole.COMPUTE,
            command=["nova-compute", "--config-file", "/etc/nova/nova.conf"],
            config=[
                *ctx.oslo_config(
                    "nova.conf", sections, key="nova-compute", variant=variant, accounts=accounts, without=DATABASES
                ),
                *ceph.files(ctx, here),
            ],
            mounts=MOUNTS,
            privilege=PRIVILEGE,
            resources=RESOURCES,
            host_network=True,
            host_ipc=True,  # LVM and dm-crypt wait for the node's udevd by a semaphore
            after=[*after, Gate(node_pods=(ON_THIS_NODE,))],
            grace_seconds=180,
        )
