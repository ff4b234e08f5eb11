"""TLS between the ingress and an API: a proxy in the API's Pod ends it there, so that nothing of a user is read on the way.

It forwards bytes and knows no HTTP: uploads, WebSockets and headers pass as they are. Services of the cloud call one another
without it, at the API's own port.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stackloom.manifests.files import SecretFile
from stackloom.manifests.pod import Container, Probes, Resources
from stackloom.manifests.workloads import Body, Identity
from stackloom.model.credential import certificate_keys
from stackloom.model.service import Endpoint

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.spec.deployment import OpenStackDeployment

PORT, PORT_NAME = 8443, "tls"
AUTHORITY = "openstack-internal-authority"
TRUSTED = "openstack-internal-ca"
# The name under which Traefik knows the servers behind its routes, whichever Pod it calls.
TRANSPORT = "internal"
_CONFIG, _CERTIFICATE = "/etc/haproxy/haproxy.cfg", "/etc/haproxy/tls/api.pem"
_HAPROXY = """global
  log stdout format raw local0 notice
  maxconn 4096

defaults
  mode tcp
  log global
  timeout connect 5s
  # A console may be silent for long, and so may an API that waits for its database.
  timeout client 1h
  timeout server 1h

frontend tls
  bind :{tls} ssl crt {certificate} ssl-min-ver TLSv1.2 alpn http/1.1
  default_backend api

backend api
  server api 127.0.0.1:{port}
"""


def is_used(deployment: OpenStackDeployment) -> bool:
    """Whether the APIs have it. A controller of the operator's own cannot be told whom to trust."""
    return deployment.spec.features.ssl.tls_proxy.enabled and not deployment.spec.features.ingress.existing


def server_name(deployment: OpenStackDeployment) -> str:
    """The name that every API's certificate has, and that the ingress asks for: it calls Pods by their addresses."""
    return f"api.{deployment.metadata.namespace}.svc.{deployment.spec.internal_domain_name}"


def has_proxy(pod: Mapping[str, Any]) -> bool:
    """Whether a Pod has one."""
    return any(port["name"] == PORT_NAME for container in pod["containers"] for port in container.get("ports", ()))


def proxy(ctx: ServiceContext, endpoint: Endpoint) -> Container:
    """The proxy in front of an endpoint of the service, with the service's certificate."""
    secret = f"{ctx.name}-tls"
    if all(credential.name != secret for credential in ctx.credentials):
        ctx.credential(secret, certificate_keys(AUTHORITY, [server_name(ctx.deployment)]))
    text = _HAPROXY.format(tls=PORT, certificate=_CERTIFICATE, port=endpoint.port)
    return Container(
        name="tls-proxy",
        image=ctx.image("tls-proxy"),
        command=["haproxy", "-db", "-f", _CONFIG],
        files=[
            ctx.file(_CONFIG, text, key=f"{endpoint.service}-haproxy.cfg"),
            SecretFile(_CERTIFICATE, secret, "tls.crt"),
            SecretFile(f"{_CERTIFICATE}.key", secret, "tls.key"),
        ],
        ports={PORT_NAME: PORT},
        probes=Probes(listens=PORT_NAME, startup_seconds=60),
        resources=ctx.resources("tls-proxy", Resources(cpu="20m", memory="64Mi", memory_limit="256Mi").body()),
        # It outlives the requests that it carries: told to end softly, it goes when the last connection does.
        before_stop=["sh", "-c", "sleep 10; kill -USR1 1; exec sleep 3600"],
    )


def trusted_by_traefik(service: Body) -> None:
    """Have Traefik speak TLS to the Pods of a Service."""
    prefix = "traefik.ingress.kubernetes.io/service"
    annotations = {f"{prefix}.serversscheme": "https", f"{prefix}.serverstransport": f"{TRANSPORT}@file"}
    service["metadata"].setdefault("annotations", {}).update(annotations)


def trusted_by_gateway(ctx: ServiceContext, who: Identity) -> Body:
    """The policy by which a Gateway speaks TLS to the Pods of a Service."""
    validation = {
        "caCertificateRefs": [{"group": "", "kind": "Secret", "name": TRUSTED}],
        "hostname": server_name(ctx.deployment),
    }
    target = {"group": "", "kind": "Service", "name": who.name, "sectionName": PORT_NAME}
    return who.body("gateway.networking.k8s.io/v1", "BackendTLSPolicy", spec={"targetRefs": [target], "validation": validation})
