"""Files of Aodh that follow from nothing in the deployment: pipelines, and what the paths of its API mean in an audit."""

from __future__ import annotations

PASTE: dict[str, dict[str, str | tuple[str, ...]]] = {
    "composite:aodh+keystone": {"use": "egg:Paste#urlmap", "/": "versions", "/v2": "api", "/healthcheck": "healthcheck"},
    "pipeline:versions": {"pipeline": ("cors", "http_proxy_to_wsgi", "versionsapp")},
    "pipeline:api": {"pipeline": ("cors", "http_proxy_to_wsgi", "request_id", "authtoken", "audit", "apiapp")},
    "app:versionsapp": {
        "paste.app_factory": "aodh.api.app:app_factory",
        "root": "aodh.api.controllers.root.VersionsController",
    },
    "app:apiapp": {"paste.app_factory": "aodh.api.app:app_factory", "root": "aodh.api.controllers.v2.root.V2Controller"},
    "app:healthcheck": {"use": "egg:oslo.middleware#healthcheck", "oslo_config_project": "aodh"},
    "filter:cors": {"paste.filter_factory": "oslo_middleware.cors:filter_factory", "oslo_config_project": "aodh"},
    "filter:http_proxy_to_wsgi": {
        "paste.filter_factory": "oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory",
        "oslo_config_project": "aodh",
    },
    "filter:request_id": {"paste.filter_factory": "oslo_middleware:RequestId.factory"},
    "filter:authtoken": {
        "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
        "oslo_config_project": "aodh",
    },
}

# Collections, and what one member of each is called.
AUDIT_MAP = """\
[DEFAULT]
target_endpoint_type = alarming

[path_keywords]
alarms = alarm
capabilities = None
history = None
metrics = None
query = None
quotas = project
state = None

[service_endpoints]
alarming = service/alarming
"""
