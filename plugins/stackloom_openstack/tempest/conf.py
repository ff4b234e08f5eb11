"""tempest.conf: what this cloud has, so that nothing else is tested, and where it is called.

What only the cloud itself knows (ids, the number of compute nodes) is found out when a run begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackloom.constructs.context import ServiceContext

# Smaller than any that users have. Resizing goes from the first to the second.
FLAVORS: list[dict[str, Any]] = [
    {"id": "tempest-1", "name": "tempest-1", "ram": 128, "vcpus": 1, "disk": 1},
    {"id": "tempest-2", "name": "tempest-2", "ram": 192, "vcpus": 1, "disk": 2},
]
# The section of what is called, by the type of its service here.
SECTIONS = {
    "block-storage": "volume",
    "compute": "compute",
    "image": "image",
    "networking": "network",
    "object-storage": "object-storage",
    "placement": "placement",
}
# Of these, Tempest tests what came after the first version of their API only if it is told to.
VERSIONED = ("compute", "placement", "volume")
# Packages in the image whose tests would run, and fail, where their service is not there.
PLUGINS = {"barbican_tempest_plugin": "key-manager", "heat_tempest_plugin": "orchestration"}


def sections(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """The file, but for what is secret and what is found out."""
    conf: dict[str, dict[str, Any]] = {
        "auth": {"use_dynamic_credentials": True},
        "identity": {
            "uri_v3": ctx.url("identity"),
            "region": ctx.deployment.spec.region_name,
            "v3_endpoint_type": "internal",
        },
        "service_available": {
            "cinder": ctx.deployment.has("block-storage"),
            "glance": True,
            "horizon": False,  # pages, for which Tempest would have to come by the public name
            "neutron": True,
            "nova": True,
            "swift": ctx.deployment.has("object-storage"),
        },
        # Servers are not logged in to: that takes more than an API.
        "validation": {"run_validation": False},
        **compute(ctx),
        **volumes(ctx),
        **network(ctx),
    }
    for type_, section in SECTIONS.items():
        if ctx.graph.provides(type_):
            conf[section] = {**called(ctx, type_, section), **conf.get(section, {})}
    return conf


def called(ctx: ServiceContext, type_: str, section: str) -> dict[str, Any]:
    """How a service is found in the catalogue, inside the cloud."""
    return {
        "catalog_type": ctx.endpoint(type_).type,
        "endpoint_type": "internal" if section == "placement" else "internalURL",
        "region": ctx.deployment.spec.region_name,
        **({"max_microversion": "latest"} if section in VERSIONED else {}),
    }


def compute(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """Flavors, and what servers can do here."""
    feature = ctx.deployment.feature
    return {
        "compute": {"flavor_ref": FLAVORS[0]["id"], "flavor_ref_alt": FLAVORS[1]["id"]},
        "compute-feature-enabled": {
            "vnc_console": bool(feature("nova.console.novnc.enabled")),
            "spice_console": bool(feature("nova.console.spice.enabled")),
            "block_migration_for_live_migration": feature("nova.images.backend") != "ceph",
            "attach_encrypted_volume": ctx.deployment.has("key-manager"),
            # Of the drivers of Cinder that of Ceph is known to allow it.
            "volume_multiattach": only_ceph(ctx),
        },
    }


def volumes(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """What volumes can do here."""
    if not ctx.deployment.has("block-storage"):
        return {}
    return {
        "volume-feature-enabled": {
            "backup": bool(ctx.deployment.feature("cinder.backup.enabled")),
            "extend_attached_volume": only_ceph(ctx),
        },
        **({"volume": {"storage_protocol": "ceph"}} if only_ceph(ctx) else {}),
    }


def only_ceph(ctx: ServiceContext) -> bool:
    """Whether every volume is in Ceph."""
    backends: dict[str, Any] = ctx.deployment.feature("cinder.volume.backends", {})
    in_ceph = ctx.deployment.has("block-storage") and bool(ctx.deployment.feature("cinder.volume.enabled"))
    return in_ceph and not any(backend["enabled"] for backend in backends.values())


def network(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """The floating network, by its name; its id is found out."""
    name = floating_network(ctx)
    return {
        **({"network": {"floating_network_name": name}} if name else {}),
        "network-feature-enabled": {"floating_ips": name is not None, "port_security": True, "ipv6_subnet_attributes": True},
    }


def floating_network(ctx: ServiceContext) -> str | None:
    """The name of the network of floating addresses, where the cloud makes one."""
    if not ctx.deployment.feature("neutron.floating_network.enabled"):
        return None
    return str(ctx.deployment.feature("neutron.floating_network.name"))


def of_absent_services(ctx: ServiceContext) -> Iterator[str]:
    """What excludes tests of services that are not there, and that Tempest itself does not know."""
    return (rf"^{package}\." for package, type_ in PLUGINS.items() if not ctx.deployment.has(type_))
