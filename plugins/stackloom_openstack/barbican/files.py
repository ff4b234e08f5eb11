"""Files of Barbican that follow from nothing in the deployment: pipelines, and what the paths of its API mean in an audit."""

from __future__ import annotations

FILTERS = ("cors", "request_id", "http_proxy_to_wsgi")
PASTE: dict[str, dict[str, str | tuple[str, ...]]] = {
    "composite:main": {"use": "egg:Paste#urlmap", "/": "versions", "/v1": "api", "/healthcheck": "healthcheck"},
    "pipeline:versions": {"pipeline": (*FILTERS, "microversion", "versionapp")},
    "pipeline:api": {"pipeline": (*FILTERS, "authtoken", "context", "microversion", "audit", "apiapp")},
    "app:versionapp": {"paste.app_factory": "barbican.api.app:create_version_app"},
    "app:apiapp": {"paste.app_factory": "barbican.api.app:create_main_app"},
    "app:healthcheck": {"paste.app_factory": "oslo_middleware:Healthcheck.app_factory"},
    "filter:cors": {"paste.filter_factory": "oslo_middleware.cors:filter_factory", "oslo_config_project": "barbican"},
    "filter:request_id": {"paste.filter_factory": "oslo_middleware.request_id:RequestId.factory"},
    "filter:http_proxy_to_wsgi": {"paste.filter_factory": "oslo_middleware:HTTPProxyToWSGI.factory"},
    "filter:authtoken": {"paste.filter_factory": "keystonemiddleware.auth_token:filter_factory"},
    "filter:context": {"paste.filter_factory": "barbican.api.middleware.context:ContextMiddleware.factory"},
    "filter:microversion": {"paste.filter_factory": "barbican.api.middleware.microversion:MicroversionMiddleware.factory"},
}

# Collections, and what one member of each is called.
AUDIT_MAP = """\
[DEFAULT]
target_endpoint_type = key-manager

[path_keywords]
acl = None
consumers = consumer
containers = container
metadata = key
orders = order
payload = None
preferred = None
project-quotas = project
quotas = None
secret-stores = store
secrets = secret
transport_keys = key

[service_endpoints]
key-manager = service/security/keymanager
"""
