"""What nova.conf says on compute nodes in addition: libvirt, disks, CPUs, devices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stackloom import InterfaceAddress, Multi
from stackloom_openstack.nova import ceph
from stackloom_openstack.nova.consoles import node_sections
from stackloom_openstack.nova.features import HOST_CPUS, NovaFeatures
from stackloom_openstack.nova.libvirt import SOCKET
from stackloom_openstack.nova.nodes import Network

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

Sections = dict[str, dict[str, Any]]
# What runs as root beside nova-compute, by the sections in which each is configured.
HELPERS = ("nova_sys_admin", "privsep_osbrick", "vif_plug_ovs_privileged", "vif_plug_linux_bridge_privileged")
IMAGES = {"local": "qcow2", "qcow2": "qcow2", "raw": "raw", "lvm": "lvm", "ceph": "rbd"}


def compute_sections(ctx: ServiceContext, features: NovaFeatures, network: Network) -> Sections:
    """The sections for nodes on which these features hold, over those that all of Nova has."""
    address = InterfaceAddress(features.live_migration_interface)
    ratios = features.allocation_ratios
    return {
        "DEFAULT": {
            "compute_driver": "libvirt.LibvirtDriver",
            "my_ip": address,
            # Only where a node starts: what is changed in Placement later stays.
            "initial_cpu_allocation_ratio": ratios.cpu,
            "initial_disk_allocation_ratio": ratios.disk,
            "initial_ram_allocation_ratio": ratios.ram,
            # A node that was restarted brings back the servers that ran on it.
            "resume_guests_state_on_host_boot": True,
            "reserved_huge_pages": Multi(tuple(pages)) if (pages := list(network.reserved_huge_pages())) else None,
        },
        "libvirt": {
            "connection_uri": f"qemu+unix:///system?socket={SOCKET}",
            **_cpu(features.vcpu_type),
            **_disks(ctx, features),
            **_migration(features),
            # Buffers of servers behind a switch in userspace, which loses packets when they are full.
            **({"rx_queue_size": 1024, "tx_queue_size": 1024} if network.userspace else {}),
        },
        "ephemeral_storage_encryption": _encryption(features),
        "os_vif_ovs": {"ovsdb_connection": "unix:/run/openvswitch/db.sock"},
        "pci": {"device_spec": Multi(tuple(map(json.dumps, cards))) if (cards := list(network.device_spec())) else None},
        # The container is root already, and needs neither sudo nor a list of what that may do.
        **{helper: {"helper_command": "privsep-helper --config-file /etc/nova/nova.conf"} for helper in HELPERS},
        **node_sections(features),
    }


def _cpu(chosen: str) -> dict[str, Any]:
    if chosen in HOST_CPUS:
        return {"cpu_mode": chosen}
    return {"cpu_mode": "custom", "cpu_models": chosen.split(",")}


def _disks(ctx: ServiceContext, features: NovaFeatures) -> dict[str, Any]:
    images = features.images
    conf: dict[str, Any] = {"images_type": IMAGES[images.backend]}
    if images.backend == "lvm":
        conf["images_volume_group"] = images.lvm.volume_group
    return conf | ceph.options(ctx, features)


def _migration(features: NovaFeatures) -> dict[str, Any]:
    return {
        "live_migration_inbound_addr": InterfaceAddress(features.live_migration_interface),
        "live_migration_scheme": "tls",
        "live_migration_with_native_tls": features.libvirt.tls.enabled,
    }


def _encryption(features: NovaFeatures) -> dict[str, Any]:
    encryption = features.images.encryption
    if not encryption.enabled:
        return {}
    return {"enabled": True, "cipher": encryption.cipher, "key_size": encryption.key_size}
