"""Files of Designate that follow from nothing in the deployment: pipelines, and what the paths of its API mean in an audit."""

from __future__ import annotations

OUTER = ("http_proxy_to_wsgi", "cors")
PASTE: dict[str, dict[str, str | tuple[str, ...]]] = {
    "composite:osapi_dns": {
        "use": "egg:Paste#urlmap",
        "/": "osapi_dns_versions",
        "/healthcheck": "healthcheck",
        "/v2": "osapi_dns_v2",
    },
    "composite:osapi_dns_versions": {
        "use": "call:designate.api.middleware:auth_pipeline_factory",
        "keystone": (*OUTER, "maintenance", "faultwrapper", "osapi_dns_app_versions"),
    },
    "composite:osapi_dns_v2": {
        "use": "call:designate.api.middleware:auth_pipeline_factory",
        "keystone": (
            *OUTER,
            "request_id",
            "faultwrapper",
            "validation_API_v2",
            "sizelimit",
            "authtoken",
            "keystonecontext",
            "maintenance",
            "normalizeuri",
            "audit",
            "osapi_dns_app_v2",
        ),
    },
    "app:osapi_dns_app_versions": {"paste.app_factory": "designate.api.versions:factory"},
    "app:osapi_dns_app_v2": {"paste.app_factory": "designate.api.v2:factory"},
    "app:healthcheck": {"paste.app_factory": "oslo_middleware:Healthcheck.app_factory"},
    "filter:cors": {"paste.filter_factory": "oslo_middleware.cors:filter_factory", "oslo_config_project": "designate"},
    "filter:request_id": {"paste.filter_factory": "oslo_middleware:RequestId.factory"},
    "filter:http_proxy_to_wsgi": {"paste.filter_factory": "oslo_middleware:HTTPProxyToWSGI.factory"},
    "filter:sizelimit": {"paste.filter_factory": "oslo_middleware:RequestBodySizeLimiter.factory"},
    "filter:authtoken": {"paste.filter_factory": "keystonemiddleware.auth_token:filter_factory"},
    "filter:keystonecontext": {"paste.filter_factory": "designate.api.middleware:KeystoneContextMiddleware.factory"},
    "filter:maintenance": {"paste.filter_factory": "designate.api.middleware:MaintenanceMiddleware.factory"},
    "filter:normalizeuri": {"paste.filter_factory": "designate.api.middleware:NormalizeURIMiddleware.factory"},
    "filter:faultwrapper": {"paste.filter_factory": "designate.api.middleware:FaultWrapperMiddleware.factory"},
    "filter:validation_API_v2": {"paste.filter_factory": "designate.api.middleware:APIv2ValidationErrorMiddleware.factory"},
}

# Collections, and what one member of each is called.
AUDIT_MAP = """\
[DEFAULT]
target_endpoint_type = dns

[custom_actions]
abandon = delete
pool_move = update/move
xfr = update/transfer

[path_keywords]
blacklists = blacklist
exports = export
floatingips = address
imports = import
limits = None
nameservers = None
pools = pool
quotas = project
recordsets = recordset
reverse = None
service_statuses = service
shares = share
tasks = None
tlds = tld
transfer_accepts = accept
transfer_requests = request
tsigkeys = key
zones = zone

[service_endpoints]
dns = service/dns
"""
