"""``spec.features.ingress``: how the cloud's users reach its public endpoints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stackloom.fields import Cidr, DnsLabel, IpAddress, NonEmpty, ObjectName, Port, Positive, SpecModel


class HostPorts(SpecModel):
    """The ports of the control-plane nodes on which users reach the cloud."""

    http: Port = 80
    """The port that sends everybody to HTTPS."""
    https: Port = 443
    """The port of the public endpoints."""


class LoadBalancer(SpecModel):
    """A Service of type LoadBalancer, through which users reach the cloud on the ports 80 and 443."""

    class_name: NonEmpty | None = None
    """The class of the load balancer. Absent: the cluster's default."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of the Service, by which most load balancers take their settings."""
    source_ranges: list[Cidr] = Field(default_factory=list)
    """The networks that may come. Empty: any."""


class ExistingGateway(SpecModel):
    """A Gateway of the Gateway API."""

    name: ObjectName
    """The Gateway's name."""
    namespace: DnsLabel
    """The Gateway's namespace."""
    listener: NonEmpty | None = None
    """The listener that routes attach to. Absent: every one that takes them."""


class ExistingController(SpecModel):
    """A controller that the cluster has already. It brings the TLS, the redirections and the limits of its own."""

    namespace: DnsLabel
    """The namespace of the controller's Pods: the network policies let them in."""
    ingress_class: ObjectName | None = None
    """Its IngressClass, where routes are Ingresses."""
    gateway: ExistingGateway | None = None
    """Its Gateway, where routes are HTTPRoutes."""


class Ingress(SpecModel):
    """How users reach the public endpoints. The controller is Traefik, unless there is an ``existing`` one."""

    routes: Literal["ingress", "gateway"] = "ingress"
    """What a public endpoint gets: an Ingress, or an HTTPRoute of the Gateway API, whose CRDs the cluster must have then."""
    expose: Literal["host-ports", "load-balancer"] = "host-ports"
    """How Traefik is reached: on ports of the control-plane nodes, or through a Service of type LoadBalancer."""
    host_ports: HostPorts = HostPorts()
    """The ports of the nodes."""
    load_balancer: LoadBalancer = LoadBalancer()
    """The Service of type LoadBalancer."""
    address: IpAddress | None = None
    """The address to which the public host names lead, which is published in the status of the routes: asked of the load
    balancer, or that of something of yours in front of the nodes. Absent: what the load balancer gets, or the public domain."""
    trusted_proxies: list[Cidr] = Field(default_factory=list)
    """Networks of proxies in front of Traefik, whose X-Forwarded headers are believed."""
    request_timeout: Positive = 43200
    """Seconds that a request may take to come in, with all of its body: an image of many GB over a slow line."""
    existing: ExistingController | None = None
    """A controller that the cluster has already. Given: Traefik is not deployed."""
