"""``spec.features``, as far as it is common to all services. A service's own subtree is modelled by its plugin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from stackloom.fields import Cidr, DnsLabel, LogLevel, NonEmpty, ObjectName, Secret, SpecModel, ValueFrom, refuse
from stackloom.spec.ceph import Ceph
from stackloom.spec.certificates import Certificate
from stackloom.spec.database import Database
from stackloom.spec.ingress import Ingress


class NetworkPolicies(SpecModel):
    """Which Pods may call which."""

    enabled: bool = True
    """Allow only the calls that the services declare."""
    monitoring_namespace: DnsLabel = "stacklight"
    """The namespace whose Pods may read metrics."""
    node_networks: list[Cidr] = Field(default_factory=list)
    """The networks of the nodes' own addresses, with which agents on the network of their node call. Left out, what such agents
    call is open to any address. (Not in the CR.)"""


class StrictAdmin(SpecModel):
    """A narrower meaning of the role ``admin``."""

    enabled: bool = False
    """Only the role ``admin`` in the project ``admin`` of the domain ``Default``, or the role ``service``, counts as one."""


def subtree(name: str) -> str:
    """The attribute that holds what is said of a service, in models whose further keys are names of services."""
    return f"service_{name}"


Rules = dict[NonEmpty, str]
"""oslo.policy rules by name: ``{"identity:list_users": "rule:admin_required"}``."""


class Policies(SpecModel):
    """Changes to the services' access rules. Further keys are names of services, with rules by name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Rules]

    strict_admin: StrictAdmin = StrictAdmin()
    """A narrower meaning of the role ``admin``."""

    if TYPE_CHECKING:

        def __init__(self, *, strict_admin: StrictAdmin = ..., **services: Rules) -> None: ...


class TlsProxy(SpecModel):
    """TLS in front of each API inside the cluster."""

    enabled: bool = True
    """Put a TLS proxy into the Pods of the APIs."""


class PublicEndpoints(SpecModel):
    """The certificate under which the cloud is reached from outside."""

    ca_cert: Certificate | ValueFrom
    """The authority's certificate (PEM), or a reference to it."""
    api_cert: Certificate | ValueFrom
    """The certificate of the public host names (PEM), or a reference to it."""
    api_key: Secret
    """A reference to the certificate's private key."""


class CertificateIssuer(SpecModel):
    """An issuer of cert-manager, which the cluster must have."""

    name: ObjectName
    """The issuer's name."""
    kind: Literal["ClusterIssuer", "Issuer"] = "ClusterIssuer"
    """An issuer for the cluster, or one in the deployment's namespace."""


class Ssl(SpecModel):
    """TLS of the cloud's endpoints."""

    tls_proxy: TlsProxy = TlsProxy()
    """TLS in front of each API inside the cluster."""
    public_endpoints: PublicEndpoints | None = None
    """The certificate of the public endpoints, from you. Absent, and no issuer given: one is made in the cluster, by an
    authority of the cloud's own."""
    issuer: CertificateIssuer | None = None
    """The issuer of cert-manager that issues and renews the certificate of the public endpoints. (Not in the CR.)"""


def _topic(value: str) -> str:
    if re.fullmatch(r"[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?", value) is None:
        refuse(f"{value!r} is not the name of a topic", "Use up to 63 letters, digits, '-', '_' and '.', like consumer-a")
    return value


Topic = Annotated[str, AfterValidator(_topic)]


class ExternalNotifications(SpecModel):
    """Notifications for consumers outside the cloud."""

    enabled: bool = False
    """Offer the notifications of the services to consumers outside."""
    topics: list[Topic] = Field(default_factory=list)
    """A topic for each consumer; each gets an account of its own."""


class Notifications(SpecModel):
    """Who hears of what happens in the cloud."""

    external: ExternalNotifications = ExternalNotifications()
    """Consumers outside the cloud."""


class Messaging(SpecModel):
    """The message bus."""

    components_with_dedicated_messaging: list[NonEmpty] = Field(default_factory=list)
    """Services, by type, that have a bus of their own in the CR. Here each service that needs a bus has its own, listed or not.
    By size: none (single), networking (tiny), compute and networking (small, medium), as far as they are deployed."""
    notifications: Notifications = Notifications()
    """Who hears of what happens in the cloud."""


class StackLight(SpecModel):
    """Monitoring by StackLight."""

    enabled: bool = True
    """Offer the services' notifications and metrics to StackLight. Its accounts are made with the other credentials."""


class Cadf(SpecModel):
    """Audit notifications in the CADF format."""

    enabled: bool = False
    """Send an audit notification for each API call."""
    driver: Literal["messagingv2", "log"] = "messagingv2"
    """Send them over the message bus, or write them to the log."""


class ServiceLogging(SpecModel):
    """How much a service writes to its log."""

    level: LogLevel
    """The least severe level that is written."""


class Logging(SpecModel):
    """What is logged. Further keys are names of services."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ServiceLogging]

    cadf: Cadf = Cadf()
    """Audit notifications in the CADF format."""

    if TYPE_CHECKING:

        def __init__(self, *, cadf: Cadf = ..., **services: ServiceLogging) -> None: ...


class Features(SpecModel):
    """What the cloud can do. Further keys are the subtrees of the services: ``keystone``, ``nova``, ..."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Any]

    services: list[NonEmpty] | None = None
    """The services that are deployed, by type. A list here replaces the preset's; infrastructure comes in any case."""
    network_policies: NetworkPolicies = NetworkPolicies()
    """Which Pods may call which."""
    policies: Policies = Policies()
    """Changes to the services' access rules."""
    ssl: Ssl = Ssl()
    """TLS of the cloud's endpoints."""
    ingress: Ingress = Ingress()
    """How users reach the public endpoints. (Not in the CR.)"""
    database: Database = Database()
    """Care for the databases."""
    ceph: Ceph = Ceph()
    """The Ceph in which services keep data. (Not in the CR.)"""
    messaging: Messaging = Messaging()
    """The message bus."""
    stacklight: StackLight = StackLight()
    """Monitoring by StackLight."""
    logging: Logging = Logging()
    """What is logged."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            services: list[str] | None = ...,
            network_policies: NetworkPolicies = ...,
            policies: Policies = ...,
            ssl: Ssl = ...,
            ingress: Ingress = ...,
            database: Database = ...,
            ceph: Ceph = ...,
            messaging: Messaging = ...,
            stacklight: StackLight = ...,
            logging: Logging = ...,
            **subtrees: SpecModel,
        ) -> None: ...
