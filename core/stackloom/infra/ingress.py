"""The way of the cloud's users to its public endpoints: Traefik on the control-plane nodes.

It follows the Ingresses (or the HTTPRoutes) of the deployment's namespace and no others. What it does with them stands in one
file, ``traefik.yml``: nothing is set by annotations, flags or a dashboard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from stackloom.constructs import tls_proxy
from stackloom.constructs.routes import GATEWAY, LISTENER, PUBLIC_TLS_SECRET, class_name
from stackloom.errors import Problem
from stackloom.manifests import cluster, objects
from stackloom.manifests.files import ConfigFile, SecretFile
from stackloom.manifests.pod import Probes, Resources
from stackloom.manifests.workloads import Body, Identity
from stackloom.model.image import Image
from stackloom.model.placement import NodeRole
from stackloom.model.service import Service
from stackloom.spec.ingress import Ingress

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.spec.deployment import OpenStackDeployment

_HTTP, _HTTPS, _METRICS = 8000, 8443, 9100
_CONFIG, _INSIDE, _TRUSTED = "/etc/traefik/traefik.yml", "/etc/traefik/inside.yml", "/etc/traefik/trusted/ca.crt"
_UID = 65532
# On SIGTERM Traefik goes on accepting while load balancers look away, then lets requests end; then the kubelet kills it.
_ACCEPT_SECONDS, _END_SECONDS, _GRACE_SECONDS = 15, 270, 300
_LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}

_WATCH = ["list", "watch"]
_GATEWAY_GROUP = "gateway.networking.k8s.io"
# What Traefik asks for, and nothing beyond. It watches whole kinds, so rules by name would shut it out.
_NAMESPACE_RULES: Mapping[str, list[Body]] = {
    "ingress": [
        {"apiGroups": [""], "resources": ["services", "secrets"], "verbs": _WATCH},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _WATCH},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": _WATCH},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
    ],
    "gateway": [
        {"apiGroups": [""], "resources": ["services", "secrets", "configmaps"], "verbs": _WATCH},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _WATCH},
        {
            "apiGroups": [_GATEWAY_GROUP],
            "resources": ["gateways", "httproutes", "grpcroutes", "tlsroutes", "referencegrants", "backendtlspolicies"],
            "verbs": _WATCH,
        },
        {
            "apiGroups": [_GATEWAY_GROUP],
            "resources": ["gateways/status", "httproutes/status", "backendtlspolicies/status"],
            "verbs": ["update"],
        },
    ],
}


def _cluster_rules(deployment: OpenStackDeployment) -> list[Body]:
    """What has no namespace and Traefik reads nevertheless."""
    if deployment.spec.features.ingress.routes == "ingress":
        return [
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], "verbs": _WATCH},
            {"apiGroups": [""], "resources": ["nodes"], "verbs": _WATCH},
        ]
    return [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": _WATCH},
        {"apiGroups": [_GATEWAY_GROUP], "resources": ["gatewayclasses"], "verbs": _WATCH},
        {
            "apiGroups": [_GATEWAY_GROUP],
            "resources": ["gatewayclasses/status"],
            "resourceNames": [class_name(deployment)],
            "verbs": ["update"],
        },
    ]


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """What is said twice of the certificate, and what is said of a controller that is not there."""
    ssl, chosen, path = deployment.spec.features.ssl, deployment.spec.features.ingress, "spec.features.ingress"
    if ssl.issuer and ssl.public_endpoints:
        what = "the certificate of the public endpoints is given in public_endpoints already"
        yield Problem(path="spec.features.ssl.issuer", what=what, hint="Keep one of the two")
    if existing := chosen.existing:
        wanted, other = ("ingress_class", "gateway") if chosen.routes == "ingress" else ("gateway", "ingress_class")
        reason, hint = f"the routes are of the kind {chosen.routes}", "or change routes"
        if getattr(existing, wanted) is None:
            yield Problem(path=f"{path}.existing", what=f"{wanted} is missing: {reason}", hint=f"Add it, {hint}")
        if getattr(existing, other) is not None:
            yield Problem(path=f"{path}.existing.{other}", what=f"changes nothing: {reason}", hint=f"Remove it, {hint}")
    ours = {"expose", "host_ports", "load_balancer", "address", "trusted_proxies", "request_timeout"}
    useless = ours if chosen.existing else {"host_ports"} if chosen.expose == "load-balancer" else {"load_balancer"}
    reason = "the controller is an existing one" if chosen.existing else f"Traefik is exposed by {chosen.expose}"
    for key in sorted(useless):
        if getattr(chosen, key) != getattr(Ingress(), key):
            yield Problem(path=f"{path}.{key}", what=f"changes nothing: {reason}", hint="Remove it")
    if chosen.host_ports.http == chosen.host_ports.https:
        yield Problem(path=f"{path}.host_ports", what="HTTP and HTTPS cannot have one port", hint="Take another for one of them")


def build(ctx: ServiceContext) -> None:
    """Add Traefik, what it may do, and what routes name it by; nothing where the cluster has a controller."""
    chosen = ctx.deployment.spec.features.ingress
    if chosen.existing:
        return
    who = ctx.identity(ctx.name, "traefik")
    ctx.component.add(objects.role(who, _NAMESPACE_RULES[chosen.routes]))
    ctx.component.add(objects.role_binding(who, [{"kind": "ServiceAccount", "name": ctx.name, "namespace": ctx.namespace}]))
    ctx.component.add(cluster.cluster_role(who, _cluster_rules(ctx.deployment)))
    ctx.component.add(cluster.cluster_role_binding(who, ctx.name))
    for body in _entry(who, ctx.deployment):
        ctx.component.add(body)
    config = ctx.file(_CONFIG, yaml.safe_dump(_traefik(ctx), sort_keys=False))
    ctx.agent(
        "traefik",
        name=ctx.name,
        role_of_nodes=NodeRole.CONTROL_PLANE,
        image="traefik",
        command=["traefik", f"--configFile={_CONFIG}"],
        config=[config, *_inside(ctx)],
        ports={"http": _HTTP, "https": _HTTPS, "metrics": _METRICS},
        host_ports=chosen.host_ports.model_dump() if chosen.expose == "host-ports" else {},
        probes=Probes(path="/ping", port="metrics", startup_seconds=60),
        resources=Resources(cpu="200m", memory="128Mi", memory_limit="1Gi"),
        user=_UID,
        account=ctx.name,
        grace_seconds=_GRACE_SECONDS,
    )
    ctx.allow_ingress(_HTTP, _HTTPS)


def _inside(ctx: ServiceContext) -> list[ConfigFile | SecretFile]:
    """How Traefik speaks TLS to the APIs' Pods, and whom it trusts there."""
    if not tls_proxy.is_used(ctx.deployment):
        return []
    transport = {"serverName": tls_proxy.server_name(ctx.deployment), "rootCAs": [_TRUSTED]}
    text = yaml.safe_dump({"http": {"serversTransports": {tls_proxy.TRANSPORT: transport}}}, sort_keys=False)
    return [ctx.file(_INSIDE, text), SecretFile(_TRUSTED, tls_proxy.TRUSTED, "ca.crt")]


def _entry(who: Identity, deployment: OpenStackDeployment) -> Iterator[Body]:
    """What routes refer to, and the load balancer if there is one."""
    chosen, name = deployment.spec.features.ingress, class_name(deployment)
    if chosen.routes == "ingress":
        yield cluster.ingress_class(who, name, controller="traefik.io/ingress-controller")
    else:
        yield cluster.gateway_class(who, name, controller="traefik.io/gateway-controller")
        yield _gateway(who, name, deployment.spec.public_domain_name)
    if chosen.expose == "load-balancer":
        yield _load_balancer(who, chosen)


def _gateway(who: Identity, gateway_class: str, domain: str) -> Body:
    """The Gateway to which the routes attach. Its port is the one on which Traefik listens: that is how it finds its own."""
    listener = {
        "name": LISTENER,
        "hostname": f"*.{domain}",
        "port": _HTTPS,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": PUBLIC_TLS_SECRET}]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    name = Identity(name=GATEWAY, namespace=who.namespace, labels=who.labels)
    return name.body(f"{_GATEWAY_GROUP}/v1", "Gateway", spec={"gatewayClassName": gateway_class, "listeners": [listener]})


def _load_balancer(who: Identity, chosen: Ingress) -> Body:
    balancer = chosen.load_balancer
    ports = (("http", 80), ("https", 443))
    spec: dict[str, Any] = {
        "type": "LoadBalancer",
        # Only nodes that run Traefik get connections, and Traefik sees who the client is.
        "externalTrafficPolicy": "Local",
        "selector": who.selector,
        "ports": [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"} for name, port in ports],
    }
    spec |= {"loadBalancerClass": balancer.class_name} if balancer.class_name else {}
    spec |= {"loadBalancerSourceRanges": balancer.source_ranges} if balancer.source_ranges else {}
    spec |= {"loadBalancerIP": chosen.address} if chosen.address else {}
    body = who.body("v1", "Service", spec=spec)
    if balancer.annotations:
        body["metadata"]["annotations"] = dict(balancer.annotations)
    return body


def _traefik(ctx: ServiceContext) -> dict[str, Any]:
    """Traefik's static configuration. What is not said here is as Traefik has it: TLS 1.2 at least, no limit for bodies."""
    chosen = ctx.deployment.spec.features.ingress
    level = ctx.log_level
    port = chosen.host_ports.https if chosen.expose == "host-ports" else 443
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": _LEVELS.get(level, level), "format": "json"},
        # Queries hold tokens of consoles and signatures of object storage; headers, which are left out by default, hold tokens.
        "accessLog": {"format": "json", "fields": {"queryParameters": {"defaultMode": "drop"}}},
        "entryPoints": {
            "web": {
                "address": f":{_HTTP}",
                "transport": {"lifeCycle": _life_cycle()},
                "http": {
                    "redirections": {"entryPoint": {"to": f":{port}", "scheme": "https", "permanent": True}},
                    "aliasHeadersStrategy": "delete",
                },
            },
            "websecure": {
                "address": f":{_HTTPS}",
                "asDefault": True,
                "transport": {
                    "lifeCycle": _life_cycle(),
                    # Traefik's 60 seconds would end the upload of every larger image.
                    "respondingTimeouts": {"readTimeout": f"{chosen.request_timeout}s"},
                },
                "forwardedHeaders": {"trustedIPs": chosen.trusted_proxies},
                "http": {
                    "tls": {},
                    # Names of objects may hold // and /../, and no route looks at the path.
                    "sanitizePath": False,
                    # For WSGI, X_Forwarded_Proto is X-Forwarded-Proto: nobody may bring headers that Traefik sets.
                    "aliasHeadersStrategy": "delete",
                },
            },
            "metrics": {"address": f":{_METRICS}", "http": {"aliasHeadersStrategy": "delete"}},
        },
        "ping": {"entryPoint": "metrics"},
        "metrics": {"prometheus": {"entryPoint": "metrics"}},
        "providers": {**_provider(ctx.deployment), **_transports(ctx.deployment)},
    }


def _life_cycle() -> dict[str, str]:
    return {"requestAcceptGraceTimeout": f"{_ACCEPT_SECONDS}s", "graceTimeOut": f"{_END_SECONDS}s"}


def _provider(deployment: OpenStackDeployment) -> dict[str, Any]:
    """Where routes come from, and the address that is published in their status: without one, Argo CD waits for ever."""
    chosen, namespace = deployment.spec.features.ingress, deployment.metadata.namespace
    of_ours: Mapping[str, Any] = {"ip": chosen.address} if chosen.address else {"hostname": deployment.spec.public_domain_name}
    balanced = chosen.expose == "load-balancer"
    if chosen.routes == "gateway":
        address = {"service": {"name": "ingress", "namespace": namespace}} if balanced else of_ours
        return {"kubernetesGateway": {"namespaces": [namespace], "statusAddress": dict(address)}}
    endpoint = {"publishedService": f"{namespace}/ingress"} if balanced else of_ours
    return {
        "kubernetesIngress": {
            "namespaces": [namespace],
            "ingressClass": class_name(deployment),
            "ingressEndpoint": dict(endpoint),
            # A service without a ready Pod is unavailable (503). By default its host would not be found, and neither would what a
            # client asks for there: 404 is what OpenStack's clients take for deleted.
            "allowEmptyServices": True,
        }
    }


def _transports(deployment: OpenStackDeployment) -> dict[str, Any]:
    return {"file": {"filename": _INSIDE}} if tls_proxy.is_used(deployment) else {}


INGRESS = Service(
    name="ingress",
    type="ingress",
    backs="ingress",
    build=build,
    rules=rules,
    images={"traefik": Image("docker.io/library/traefik", "v3.7.13")},
    metrics_port=_METRICS,
)
