"""What nova.conf says to Nova's processes, and the API's pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import BySize, ConfigFile
from stackloom_openstack.nova.consoles import console_sections, proxy_sections
from stackloom_openstack.nova.features import NovaFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

Sections = dict[str, dict[str, Any]]

# A process of the scheduler keeps a view of its own of all nodes, and they may choose the same one: few decide better.
SCHEDULER_WORKERS = BySize(tiny=1, small=2, medium=2)
FILTERS = (
    "ComputeFilter",
    "ComputeCapabilitiesFilter",
    "ImagePropertiesFilter",
    "ServerGroupAntiAffinityFilter",
    "ServerGroupAffinityFilter",
    # Not among Nova's own: for flavors that ask for huge pages, pinned CPUs and PCI devices, aggregates, hints by server.
    "AggregateInstanceExtraSpecsFilter",
    "NUMATopologyFilter",
    "PciPassthroughFilter",
    "DifferentHostFilter",
    "SameHostFilter",
)


def sections(ctx: ServiceContext, features: NovaFeatures) -> Sections:
    """The sections that the control plane and compute nodes share."""
    conf: Sections = {
        "DEFAULT": {"state_path": "/var/lib/nova"},
        "cache": {"enabled": True, "backend": "oslo_cache.memcache_pool", "memcache_servers": ctx.memcached_servers()},
        # The control plane is upgraded first, and speaks to compute nodes of the release before as these can hear.
        "upgrade_levels": {"compute": "auto"},
        "glance": {
            "region_name": ctx.deployment.spec.region_name,
            "valid_interfaces": ["internal"],
            "verify_glance_signatures": ctx.deployment.feature("glance.signature.enabled", False),
        },
        "neutron": {"service_metadata_proxy": True},
        # A user's token may end while a long operation goes on: the service's own vouches for it.
        "service_user": {"send_service_user_token": True},
        **console_sections(ctx, features),
    }
    if ctx.deployment.has("block-storage"):
        catalogued = ctx.endpoint("block-storage").type
        conf["cinder"] = {"os_region_name": ctx.deployment.spec.region_name, "catalog_info": f"{catalogued}::internalURL"}
    if ctx.deployment.has("key-manager"):
        conf["barbican"] = {
            "auth_endpoint": ctx.url("identity"),
            "barbican_endpoint_type": "internal",
            "barbican_region_name": ctx.deployment.spec.region_name,
        }
    if ctx.deployment.has("metering"):
        # What Ceilometer counts: which servers there were in each hour, and how they change.
        conf["DEFAULT"]["instance_usage_audit"] = True
        conf["notifications"] = {"notify_on_state_change": "vm_and_task_state"}
    return conf


def control_sections(ctx: ServiceContext, features: NovaFeatures, *, workers: int) -> Sections:
    """The sections of the control plane alone, which restart no compute node as they change."""
    return {
        "conductor": {"workers": workers},
        "scheduler": {"workers": ctx.by_size(SCHEDULER_WORKERS)},
        "filter_scheduler": {"enabled_filters": list(FILTERS)},
        **proxy_sections(features),
    }


def over(base: Sections, more: Sections) -> Sections:
    """The sections of both; where both say an option, ``more`` does."""
    return {group: {**base.get(group, {}), **more.get(group, {})} for group in base.keys() | more.keys()}


def paste(ctx: ServiceContext) -> ConfigFile:
    """The API by its one version, metadata, and a path for probes."""
    before = ["cors", "compute_req_id", "faultwrap", "request_log", "http_proxy_to_wsgi"]
    return ctx.paste(
        "api-paste.ini",
        {
            "composite:osapi_compute": {
                "use": "call:nova.api.openstack.urlmap:urlmap_factory",
                "/": "versions",
                "/v2.1": "version",
                "/v2.1/+": "api",
                "/healthcheck": "healthcheck",
            },
            "composite:api": {
                "use": "call:nova.api.auth:pipeline_factory_v21",
                "keystone": [*before, "sizelimit", "authtoken", "keystonecontext", "audit", "apiapp"],
            },
            "pipeline:versions": {"pipeline": [*before, "versionsapp"]},
            "pipeline:version": {"pipeline": [*before, "versionapp"]},
            "composite:metadata": {"use": "egg:Paste#urlmap", "/": "meta", "/healthcheck": "healthcheck"},
            "pipeline:meta": {"pipeline": ["cors", "http_proxy_to_wsgi", "metaapp"]},
            "app:apiapp": {"paste.app_factory": "nova.api.openstack.compute:APIRouterV21.factory"},
            "app:versionsapp": {"paste.app_factory": "nova.api.openstack.compute.versions:Versions.factory"},
            "app:versionapp": {"paste.app_factory": "nova.api.openstack.compute.versions:VersionsV2.factory"},
            "app:metaapp": {"paste.app_factory": "nova.api.metadata.handler:MetadataRequestHandler.factory"},
            "app:healthcheck": {"paste.app_factory": "oslo_middleware:Healthcheck.app_factory"},
            "filter:cors": {"paste.filter_factory": "oslo_middleware.cors:filter_factory", "oslo_config_project": "nova"},
            "filter:compute_req_id": {"paste.filter_factory": "nova.api.compute_req_id:ComputeReqIdMiddleware.factory"},
            "filter:faultwrap": {"paste.filter_factory": "nova.api.openstack:FaultWrapper.factory"},
            "filter:request_log": {"paste.filter_factory": "nova.api.openstack.requestlog:RequestLog.factory"},
            "filter:http_proxy_to_wsgi": {"paste.filter_factory": "oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory"},
            "filter:sizelimit": {"paste.filter_factory": "oslo_middleware:RequestBodySizeLimiter.factory"},
            "filter:authtoken": {"paste.filter_factory": "keystonemiddleware.auth_token:filter_factory"},
            "filter:keystonecontext": {"paste.filter_factory": "nova.api.auth:NovaKeystoneContext.factory"},
        },
    )
