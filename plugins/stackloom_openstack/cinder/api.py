"""What Cinder's API reads beside cinder.conf: its pipeline, and what users may filter lists by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.manifests.files import File

# Without this file users may filter by nothing.
FILTERS = {
    "attachment": ["attach_status", "instance_id", "status", "volume_id"],
    "backup": ["name", "status", "volume_id"],
    "group": ["name"],
    "group_snapshot": ["group_id", "name", "status"],
    "message": ["event_id", "message_level", "request_id", "resource_type", "resource_uuid"],
    "pool": ["name", "volume_type"],
    "snapshot": ["availability_zone", "consumes_quota", "metadata", "name", "status", "volume_id"],
    "volume": [
        "availability_zone",
        "bootable",
        "consumes_quota",
        "created_at",
        "group_id",
        "metadata",
        "migration_status",
        "name",
        "size",
        "status",
        "updated_at",
    ],
    "volume_type": ["extra_specs", "is_public"],
}

PASTE: dict[str, dict[str, str | Sequence[str]]] = {
    "composite:osapi_volume": {
        "use": "egg:Paste#urlmap",
        "/": "apiversions",
        "/healthcheck": "healthcheck",
        "/v3": "openstack_volume_api_v3",
    },
    "pipeline:openstack_volume_api_v3": {
        "pipeline": [
            "request_id",
            "cors",
            "http_proxy_to_wsgi",
            "faultwrap",
            "sizelimit",
            "authtoken",
            "keystonecontext",
            "audit",
            "apiv3",
        ]
    },
    "pipeline:apiversions": {"pipeline": ["request_id", "cors", "http_proxy_to_wsgi", "faultwrap", "osvolumeversionapp"]},
    "app:apiv3": {"paste.app_factory": "cinder.api.v3.router:APIRouter.factory"},
    "app:osvolumeversionapp": {"paste.app_factory": "cinder.api.versions:Versions.factory"},
    "app:healthcheck": {"paste.app_factory": "oslo_middleware:Healthcheck.app_factory"},
    "filter:request_id": {"paste.filter_factory": "cinder.api.middleware.request_id:RequestId.factory"},
    "filter:cors": {"paste.filter_factory": "oslo_middleware.cors:filter_factory", "oslo_config_project": "cinder"},
    "filter:http_proxy_to_wsgi": {"paste.filter_factory": "oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory"},
    "filter:faultwrap": {"paste.filter_factory": "cinder.api.middleware.fault:FaultWrapper.factory"},
    "filter:sizelimit": {"paste.filter_factory": "oslo_middleware.sizelimit:RequestBodySizeLimiter.factory"},
    "filter:authtoken": {"paste.filter_factory": "keystonemiddleware.auth_token:filter_factory"},
    "filter:keystonecontext": {"paste.filter_factory": "cinder.api.middleware.auth:CinderKeystoneContext.factory"},
}


def api_files(ctx: ServiceContext) -> tuple[File, ...]:
    """What the API reads beside the main files."""
    filters = ctx.file("/etc/cinder/resource_filters.json", json.dumps(FILTERS, indent=2) + "\n")
    return ctx.paste("api-paste.ini", PASTE), filters
