"""What leads users to a public endpoint: an Ingress, or an HTTPRoute of the Gateway API, as the deployment chooses.

A public endpoint has a host of its own, so a route asks for nothing but the host. The controller that follows the routes is
Traefik (:mod:`stackloom.infra.ingress`) or one that the cluster has already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom.constructs import tls_proxy
from stackloom.manifests.files import SecretFile
from stackloom.manifests.objects import http_route, ingress, network_policy
from stackloom.manifests.workloads import Body, Identity
from stackloom.model.credential import Value
from stackloom.model.service import Endpoint

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.spec.deployment import OpenStackDeployment

PUBLIC_TLS_SECRET = "openstack-public-tls"
GATEWAY = "openstack"
LISTENER = "https"


def class_name(deployment: OpenStackDeployment) -> str:
    """The IngressClass or the GatewayClass of the deployment's own Traefik. Classes are the cluster's: clouds differ by it."""
    return deployment.metadata.namespace


def public_hosts(deployment: OpenStackDeployment) -> list[str]:
    """The hosts under which users reach the cloud, sorted."""
    names = {e.public for service in deployment.services for e in service.endpoints if e.public}
    return [f"{name}.{deployment.spec.public_domain_name}" for name in sorted(names)]


def public_authority(ctx: ServiceContext, path: str) -> SecretFile | None:
    """The authority of the public endpoints' certificate, for Pods that call them as users do, as a file at ``path``.

    None where cert-manager gets the certificate from an issuer, who need not say what to trust: usually what everybody trusts.
    """
    if ctx.deployment.spec.features.ssl.issuer:
        return None
    copy = ctx.credential(f"{ctx.name}-public-authority", {"ca.crt": Value.copied(PUBLIC_TLS_SECRET, "ca.crt")})
    return SecretFile(path, copy.name, "ca.crt")


def existing_objects(deployment: OpenStackDeployment) -> dict[str, list[str]]:
    """What routes refer to and the cluster must have, by kind: what belongs to a controller that is there already."""
    existing = deployment.spec.features.ingress.existing
    issuer = deployment.spec.features.ssl.issuer
    found: dict[str, list[str]] = {issuer.kind: [issuer.name]} if issuer else {}
    if existing and existing.ingress_class:
        found["IngressClass"] = [existing.ingress_class]
    if existing and existing.gateway:
        found["Gateway"] = [existing.gateway.name]
    return found


def route(ctx: ServiceContext, who: Identity, endpoint: Endpoint, *, proxied: bool = False) -> list[Body]:
    """What leads the users of ``endpoint``, which is public, to the Pods of ``who`` behind it, or to the TLS proxies in them."""
    chosen = ctx.deployment.spec.features.ingress
    name, number = (tls_proxy.PORT_NAME, tls_proxy.PORT) if proxied else (endpoint.name, endpoint.port)
    if chosen.routes == "gateway":
        bodies = [_gateway_route(ctx, who, endpoint, number), *([tls_proxy.trusted_by_gateway(ctx, who)] if proxied else [])]
    else:
        bodies = [_ingress(ctx, who, endpoint, name)]
    if chosen.existing and ctx.deployment.spec.features.network_policies.enabled:
        bodies.append(_let_in(who, endpoint, chosen.existing.namespace))
    return bodies


def _ingress(ctx: ServiceContext, who: Identity, endpoint: Endpoint, port: str) -> Body:
    existing = ctx.deployment.spec.features.ingress.existing
    return ingress(
        who,
        host=ctx.public_host(endpoint),
        service=endpoint.service,
        port=port,
        ingress_class=existing.ingress_class if existing and existing.ingress_class else class_name(ctx.deployment),
        tls_secret=PUBLIC_TLS_SECRET,
    )


def _gateway_route(ctx: ServiceContext, who: Identity, endpoint: Endpoint, port: int) -> Body:
    existing = ctx.deployment.spec.features.ingress.existing
    parent = {"name": GATEWAY, "sectionName": LISTENER}
    if existing and existing.gateway:
        parent = {"name": existing.gateway.name, "namespace": existing.gateway.namespace}
        parent |= {"sectionName": existing.gateway.listener} if existing.gateway.listener else {}
    return http_route(who, host=ctx.public_host(endpoint), service=endpoint.service, port=port, parent=parent)


def _let_in(who: Identity, endpoint: Endpoint, namespace: str) -> Body:
    """The policy that lets the Pods of another namespace call the endpoint."""
    name = Identity(name=f"{who.name}-public", namespace=who.namespace, labels=who.labels)
    callers = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    rule = {"from": [callers], "ports": [{"port": endpoint.port, "protocol": "TCP"}]}
    return network_policy(name, pods=who.selector, ingress=[rule])
