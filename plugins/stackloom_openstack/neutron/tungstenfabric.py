"""The server with the plugin of Tungsten Fabric, whose own operator runs all that carries traffic.

Its plugin is no part of Neutron: an init container brings it, from the image that the project publishes for that.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stackloom import Container, Value
from stackloom_openstack.neutron.features import NeutronFeatures
from stackloom_openstack.neutron.node_features import NeutronNodeFeatures
from stackloom_openstack.neutron.settings import ServerFiles, server_conf

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

_PLUGIN = "/opt/plugin"
_PACKAGES = f"{_PLUGIN}/python3/site-packages"
_CORE = "neutron_plugin_contrail.plugins.opencontrail"
# Where its operator puts the API of its configuration nodes, unless told otherwise.
_API_HOST, _API_PORT = "config-api-server.tungsten-fabric.svc", 8082
# What the API offers of Tungsten Fabric itself. The other names switch off what the plugin would bring for older clouds.
_EXTENSIONS = {
    "ipam": f"{_CORE}.contrail_plugin_ipam.NeutronPluginContrailIpam",
    "policy": f"{_CORE}.contrail_plugin_policy.NeutronPluginContrailPolicy",
    "route-table": f"{_CORE}.contrail_plugin_vpc.NeutronPluginContrailVpc",
    "contrail": "None",
    "service-interface": "None",
    "vf-binding": "None",
}


def server_files(ctx: ServiceContext, features: NeutronFeatures) -> ServerFiles:
    """neutron.conf and the plugin's own files."""
    host = f"{_API_HOST}.{ctx.deployment.spec.internal_domain_name}"
    main = server_conf(
        ctx,
        {
            "DEFAULT": {
                "core_plugin": f"{_CORE}.contrail_plugin.NeutronPluginContrailCoreV2",
                "service_plugins": ["trunk"] if features.extensions.trunk.enabled else [],
                "api_extensions_path": f"{_PACKAGES}/neutron_plugin_contrail/extensions",
            },
            "quotas": {"quota_driver": f"{_CORE}.quota.driver.QuotaDriver"},
        },
    )
    identity = urlsplit(ctx.url("identity"))
    # It logs in as Neutron does, by [keystone_authtoken].
    plugin = ctx.file(
        "/etc/neutron/tungstenfabric.ini",
        _ini(
            {
                "APISERVER": {
                    "api_server_ip": host,
                    "api_server_port": str(_API_PORT),
                    "contrail_extensions": ",".join(f"{name}:{where}" for name, where in _EXTENSIONS.items()),
                }
            }
        ),
    )
    client = ctx.file(
        "/etc/contrail/vnc_api_lib.ini",
        _ini(
            {
                "global": {"WEB_SERVER": host, "WEB_PORT": str(_API_PORT)},
                "auth": {
                    "AUTHN_TYPE": "keystone",
                    "AUTHN_PROTOCOL": identity.scheme,
                    "AUTHN_SERVER": str(identity.hostname),
                    "AUTHN_PORT": str(identity.port),
                    "AUTHN_URL": "/v3/auth/tokens",
                },
            }
        ),
    )
    brought = Container(
        name="plugin",
        image=ctx.image("tungstenfabric"),
        command=["/entrypoint.sh"],
        env={"OPENSTACK_VERSION": ctx.release},
        writable=[_PLUGIN],
    )
    return ServerFiles(
        config=(*main, plugin, client),
        paths=["/etc/neutron/neutron.conf", plugin.path],
        env={"PYTHONPATH": _PACKAGES},
        init=[brought],
        writable=[_PLUGIN],
        agents_report=False,
    )


def exchange(ctx: ServiceContext, features: NeutronFeatures) -> None:
    """What Tungsten Fabric's operator reads of the cloud: the Secret ``tf-data``, as the CR's controller writes it."""
    nodes = {
        label: own.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        for label, node in ctx.deployment.spec.nodes.items()
        if isinstance(own := node.features.get("neutron"), NeutronNodeFeatures)
    }
    spec = ctx.deployment.spec
    told = {
        "tunnel_interface": features.tunnel_interface,
        "public_domain": spec.public_domain_name,
        "nodes": json.dumps(nodes, sort_keys=True),
    }
    ctx.credential("tf-data", {key: Value(kind="public", text=text) for key, text in told.items()})


def _ini(sections: dict[str, dict[str, str]]) -> str:
    blocks = [[f"[{name}]", *(f"{key} = {value}" for key, value in options.items())] for name, options in sections.items()]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"
