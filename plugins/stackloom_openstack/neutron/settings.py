"""neutron.conf, for the server and for agents, and the paste file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stackloom import BySize, ConfigFile, Container, Gate, SecretFile, SecretKey
from stackloom_openstack.neutron.features import NeutronFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.variants import Variant

Conf = dict[str, dict[str, Any]]

METADATA_SECRET = "neutron-metadata"
# Agents report less often where there are many of them: each report is a write to the database.
REPORT_SECONDS = BySize(tiny=30, small=30, medium=60)
DOWN_SECONDS = BySize(tiny=75, small=75, medium=190)
# What every service says, and what agents on nodes do without.
NOT_FOR_AGENTS = ("database", "keystone_authtoken", "oslo_messaging_notifications", "oslo_middleware", "oslo_policy")


@dataclass(frozen=True, kw_only=True)
class ServerFiles:
    """What processes of the server read: ``paths`` on their command line, of ``config``; what else they are given, and wait for.

    ``agents_report`` says that there are agents that call the server over the message bus.
    """

    config: Sequence[ConfigFile | SecretFile]
    paths: Sequence[str]
    env: Mapping[str, str | SecretKey] = field(default_factory=dict)
    init: Sequence[Container] = ()
    writable: Sequence[str] = ()
    after: Sequence[Gate] = ()
    agents_report: bool = True


def server_conf(ctx: ServiceContext, own: Conf) -> tuple[ConfigFile, ...]:
    """The server's neutron.conf, with what it calls of the cloud. ``own`` is the backend's part."""
    graph = ctx.graph
    accounts = [group for group, type_ in (("nova", "compute"), ("placement", "placement")) if graph.provides(type_)]
    default: dict[str, Any] = {"agent_down_time": ctx.by_size(DOWN_SECONDS)}
    sections: Conf = {group: {"endpoint_type": "internal"} for group in accounts}
    if "nova" not in accounts:
        default |= {"notify_nova_on_port_status_changes": False, "notify_nova_on_port_data_changes": False}
    if graph.provides("dns"):
        default |= {"external_dns_driver": "designate", "dns_domain": dns_domain(ctx)}
        sections["designate"] = {"url": f"{ctx.url('dns', path=False)}/v2"}
        accounts.append("designate")
    sections["DEFAULT"] = {**default, **own.get("DEFAULT", {})}
    return ctx.oslo_config(
        "neutron.conf", {**sections, **{group: own[group] for group in own if group != "DEFAULT"}}, accounts=accounts
    )


def agent_conf(ctx: ServiceContext, variant: Variant) -> tuple[ConfigFile, ...]:
    """The neutron.conf of agents on nodes: nothing of the server's, and no account."""
    default: dict[str, Any] = {"dns_domain": dns_domain(ctx)} if ctx.graph.provides("dns") else {}
    # The agents' containers have just the rights that their commands need, and are root: there is nothing for sudo to add, and
    # what it and rootwrap would want in the image is not relied on.
    sections: Conf = {"DEFAULT": default, "agent": {"root_helper": "env", "report_interval": ctx.by_size(REPORT_SECONDS)}}
    return ctx.oslo_config("neutron.conf", sections, variant=variant, key="agent-neutron", without=NOT_FOR_AGENTS)


def dns_domain(ctx: ServiceContext) -> str:
    """The domain of ports' names. Any other than Neutron's default makes them part of the API."""
    return f"{ctx.deployment.spec.public_domain_name}."


def has_metadata(ctx: ServiceContext) -> bool:
    """Whether anything in the cloud answers servers that ask for their metadata."""
    return ctx.graph.endpoint("compute", "metadata") is not None


def service_plugins(ctx: ServiceContext, features: NeutronFeatures, *, router: str) -> list[str]:
    """What the API offers beyond networks and ports."""
    return [
        router,
        "qos",
        "port_forwarding",
        "segments",
        *(["trunk"] if features.extensions.trunk.enabled else []),
        *(["placement"] if ctx.graph.provides("placement") else []),  # bandwidth that is guaranteed is accounted there
    ]


def api_paste(ctx: ServiceContext) -> ConfigFile:
    """The pipelines of the API."""
    outer = ["cors", "http_proxy_to_wsgi"]
    return ctx.paste(
        "api-paste.ini",
        {
            "composite:neutron": {
                "use": "egg:Paste#urlmap",
                "/": "neutronversions_composite",
                "/healthcheck": "healthcheck",
                "/v2.0": "neutronapi_v2_0",
            },
            "composite:neutronapi_v2_0": {
                "use": "call:neutron.auth:pipeline_factory",
                "keystone": [
                    *outer,
                    "request_id",
                    "catch_errors",
                    "authtoken",
                    "keystonecontext",
                    "audit",
                    "extensions",
                    "neutronapiapp_v2_0",
                ],
            },
            "composite:neutronversions_composite": {
                "use": "call:neutron.auth:pipeline_factory",
                "keystone": [*outer, "neutronversions"],
            },
            "filter:request_id": {"paste.filter_factory": "oslo_middleware:RequestId.factory"},
            "filter:catch_errors": {"paste.filter_factory": "oslo_middleware:CatchErrors.factory"},
            "filter:cors": {"paste.filter_factory": "oslo_middleware.cors:filter_factory", "oslo_config_project": "neutron"},
            "filter:http_proxy_to_wsgi": {
                "paste.filter_factory": "oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory",
            },
            "filter:keystonecontext": {"paste.filter_factory": "neutron.auth:NeutronKeystoneContext.factory"},
            "filter:authtoken": {"paste.filter_factory": "keystonemiddleware.auth_token:filter_factory"},
            "filter:extensions": {"paste.filter_factory": "neutron.api.extensions:plugin_aware_extension_middleware_factory"},
            "app:neutronversions": {"paste.app_factory": "neutron.pecan_wsgi.app:versions_factory"},
            "app:neutronapiapp_v2_0": {"paste.app_factory": "neutron.api.v2.router:APIRouter.factory"},
            "app:healthcheck": {"paste.app_factory": "oslo_middleware:Healthcheck.app_factory"},
        },
    )
