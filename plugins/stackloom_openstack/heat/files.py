"""Files of Heat that follow from nothing in the deployment: pipelines, and other names of resources."""

from __future__ import annotations

PASTE: dict[str, dict[str, str | tuple[str, ...]]] = {
    "composite:heat-api": {"use": "egg:Paste#urlmap", "/": "api", "/healthcheck": "healthcheck"},
    "composite:heat-api-cfn": {"use": "egg:Paste#urlmap", "/": "api-cfn", "/healthcheck": "healthcheck"},
    "pipeline:api": {
        "pipeline": (
            "cors",
            "request_id",
            "faultwrap",
            "http_proxy_to_wsgi",
            "versionnegotiation",
            "authurl",
            "authtoken",
            "audit",
            "context",
            "apiv1app",
        )
    },
    # What comes in here is signed by servers; the map of what an audit tells knows the other API only.
    "pipeline:api-cfn": {
        "pipeline": (
            "cors",
            "request_id",
            "http_proxy_to_wsgi",
            "cfnversionnegotiation",
            "ec2authtoken",
            "authtoken",
            "context",
            "apicfnv1app",
        )
    },
    "app:apiv1app": {"paste.app_factory": "heat.common.wsgi:app_factory", "heat.app_factory": "heat.api.openstack.v1:API"},
    "app:apicfnv1app": {"paste.app_factory": "heat.common.wsgi:app_factory", "heat.app_factory": "heat.api.cfn.v1:API"},
    "app:healthcheck": {"paste.app_factory": "oslo_middleware:Healthcheck.app_factory"},
    "filter:versionnegotiation": {
        "paste.filter_factory": "heat.common.wsgi:filter_factory",
        "heat.filter_factory": "heat.api.openstack:version_negotiation_filter",
    },
    "filter:cfnversionnegotiation": {
        "paste.filter_factory": "heat.common.wsgi:filter_factory",
        "heat.filter_factory": "heat.api.cfn:version_negotiation_filter",
    },
    "filter:faultwrap": {
        "paste.filter_factory": "heat.common.wsgi:filter_factory",
        "heat.filter_factory": "heat.api.openstack:faultwrap_filter",
    },
    "filter:cors": {"paste.filter_factory": "oslo_middleware.cors:filter_factory", "oslo_config_project": "heat"},
    "filter:request_id": {"paste.filter_factory": "oslo_middleware.request_id:RequestId.factory"},
    "filter:http_proxy_to_wsgi": {"paste.filter_factory": "oslo_middleware:HTTPProxyToWSGI.factory"},
    "filter:authurl": {"paste.filter_factory": "heat.common.auth_url:filter_factory"},
    "filter:authtoken": {"paste.filter_factory": "keystonemiddleware.auth_token:filter_factory"},
    "filter:ec2authtoken": {"paste.filter_factory": "heat.api.aws.ec2token:EC2Token_filter_factory"},
    "filter:context": {"paste.filter_factory": "heat.common.context:ContextMiddleware_filter_factory"},
}

# Names under which resources went once, and that templates still have. Those of the images are hidden by the files of this cloud.
ENVIRONMENT = """\
resource_registry:
  "OS::Quantum*": "OS::Neutron*"
  "OS::Metering::Alarm": "OS::Aodh::Alarm"
  "OS::Ceilometer::Alarm": "OS::Aodh::Alarm"
  "OS::Ceilometer::CombinationAlarm": "OS::Aodh::CombinationAlarm"
  "OS::Ceilometer::GnocchiAggregationByMetricsAlarm": "OS::Aodh::GnocchiAggregationByMetricsAlarm"
  "OS::Ceilometer::GnocchiAggregationByResourcesAlarm": "OS::Aodh::GnocchiAggregationByResourcesAlarm"
  "OS::Ceilometer::GnocchiResourcesAlarm": "OS::Aodh::GnocchiResourcesAlarm"
"""
