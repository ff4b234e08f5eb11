"""The server with the plugin ML2: Open vSwitch or OVN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import Gate, SecretFile
from stackloom_openstack.neutron.features import ExternalNetwork, NeutronFeatures
from stackloom_openstack.neutron.node_features import NeutronNodeFeatures
from stackloom_openstack.neutron.settings import Conf, ServerFiles, server_conf, service_plugins

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

# Each has a row in the database from the start. 24 bits would be 16 million of them.
VNI_RANGE = "1:65535"
# With what OVN's databases know a client: the Secret is OVN's.
_TLS = {name: SecretFile(f"/etc/ovn/tls/{name}", "ovn-client-tls", name) for name in ("ca.crt", "tls.crt", "tls.key")}
# What OVN puts into the header of each packet beside the Geneve header's own eight bytes, with room for one more option.
GENEVE_HEADER = 38

Options = dict[str, Any]


def server_files(ctx: ServiceContext, features: NeutronFeatures) -> ServerFiles:
    """neutron.conf and ml2_conf.conf."""
    ovn = features.backend == "ml2/ovn"
    has_sriov = any(_has_sriov(node.features.get("neutron")) for node in ctx.deployment.spec.nodes.values())
    default: Options = {
        "core_plugin": "ml2",
        "service_plugins": service_plugins(ctx, features, router="ovn-router" if ovn else "router"),
        **({} if ovn else scheduling(ctx, features)),
    }
    main = server_conf(ctx, {"DEFAULT": default})
    conf = {**types(features), "ml2": ml2(ctx, features, has_sriov=has_sriov)}
    if ovn:
        conf["ovn"] = ovn_section(ctx, features)
    plugin = ctx.oslo_config("ml2_conf.conf", conf)
    return ServerFiles(
        config=(*main, *plugin, *(_TLS.values() if ovn else ())),
        paths=["/etc/neutron/neutron.conf", "/etc/neutron/ml2_conf.conf"],
        agents_report=has_sriov or not ovn,
        after=(ovn_databases(ctx),) if ovn else (),
    )


def _has_sriov(own: object) -> bool:
    return isinstance(own, NeutronNodeFeatures) and own.sriov is not None and own.sriov.enabled


def scheduling(ctx: ServiceContext, features: NeutronFeatures) -> Options:
    """How networks and routers are spread over the agents."""
    several = ctx.deployment.spec.size != "single"
    distributed = features.dvr.enabled
    return {
        "dhcp_agents_per_network": 2 if several else 1,
        # Where there is no agent on compute nodes, a router that is asked to be distributed would go nowhere.
        "enable_dvr": distributed,
        "router_distributed": distributed,
        # A router stands by on a second gateway. Of a distributed one only the SNAT is on a gateway: it moves if that is gone.
        **({"l3_ha": True, "max_l3_agents_per_router": 2} if several and not distributed else {}),
        **({"allow_automatic_l3agent_failover": True} if several and distributed else {}),
    }


def ml2(ctx: ServiceContext, features: NeutronFeatures, *, has_sriov: bool) -> Options:
    """[ml2]."""
    ovn = features.backend == "ml2/ovn"
    tunnels = "geneve" if ovn else "vxlan"
    mtus = [f"{network.physnet}:{network.mtu}" for network in features.external_networks if network.mtu]
    return {
        "mechanism_drivers": [*(["ovn"] if ovn else ["openvswitch", "l2population"]), *(["sriovnicswitch"] if has_sriov else [])],
        "type_drivers": ["flat", "vlan", tunnels],
        "project_network_types": features.tenant_network_types or [tunnels],
        "extension_drivers": [
            "port_security",
            "qos",
            *(["subnet_dns_publish_fixed_ip"] if ctx.graph.provides("dns") else []),
            *(["uplink_status_propagation"] if has_sriov else []),
        ],
        **({"physical_network_mtus": mtus} if mtus else {}),
    }


def types(features: NeutronFeatures) -> Conf:
    """The sections of the types of networks."""
    tunnels = "geneve" if features.backend == "ml2/ovn" else "vxlan"
    networks = features.external_networks
    return {
        "ml2_type_flat": {"flat_networks": [n.physnet for n in networks if "flat" in n.network_types]},
        "ml2_type_vlan": {"network_vlan_ranges": [entry for n in networks if "vlan" in n.network_types for entry in _vlans(n)]},
        f"ml2_type_{tunnels}": {
            "vni_ranges": [VNI_RANGE],
            **({"max_header_size": GENEVE_HEADER} if tunnels == "geneve" else {}),
        },
    }


def _vlans(network: ExternalNetwork) -> list[str]:
    """VLANs of a network for tenants; its name alone where only an administrator makes networks on it."""
    ranges = network.vlan_ranges.split(",") if network.vlan_ranges else []
    return [f"{network.physnet}:{part}" for part in ranges] or [network.physnet]


def ovn_section(ctx: ServiceContext, features: NeutronFeatures) -> Options:
    """[ovn]: its databases by all their members, of which the client finds the one that leads."""
    return {
        **_database(ctx, "nb"),
        **_database(ctx, "sb"),
        "ovn_metadata_enabled": True,
        "enable_distributed_floating_ip": features.dvr.enabled,
        **({"dns_servers": list(map(str, features.dns_servers))} if features.dns_servers else {}),
    }


def ovn_databases(ctx: ServiceContext) -> Gate:
    """What processes of the server wait for: they give up where they find neither."""
    return Gate(services=tuple(ctx.endpoint("networking", name).service for name in ("ovn-nb", "ovn-sb")))


def _database(ctx: ServiceContext, name: str) -> Options:
    return {
        f"ovn_{name}_connection": [f"ssl:{member}" for member in ctx.members("networking", f"ovn-{name}")],
        f"ovn_{name}_private_key": _TLS["tls.key"].path,
        f"ovn_{name}_certificate": _TLS["tls.crt"].path,
        f"ovn_{name}_ca_cert": _TLS["ca.crt"].path,
    }
