"""Bodies of the objects around workloads: Services, disruption budgets, routes, policies, accounts, configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stackloom.manifests.workloads import Body, Identity


def service(
    who: Identity,
    ports: Mapping[str, int],
    *,
    headless: bool = False,
    not_ready_too: bool = False,
    labels: Mapping[str, str] | None = None,
) -> Body:
    """A Service in front of the Pods of ``who``, or of those that carry ``labels`` too, which they may get while they run.

    Each port leads to the container port of the same name.
    """
    spec: Body = {"selector": {**who.selector, **(labels or {})}}
    if ports:  # a headless Service may be there for the names alone
        spec["ports"] = [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"} for name, port in ports.items()]
    if headless:
        spec["clusterIP"] = "None"
    if not_ready_too:
        spec["publishNotReadyAddresses"] = True
    return who.body("v1", "Service", spec=spec)


def disruption_budget(who: Identity) -> Body:
    """At most one of the Pods of ``who`` is taken down on purpose at a time."""
    return who.body("policy/v1", "PodDisruptionBudget", spec={"maxUnavailable": 1, "selector": {"matchLabels": who.selector}})


def ingress(who: Identity, *, host: str, service: str, port: str, ingress_class: str, tls_secret: str) -> Body:
    """HTTPS for ``host``, led to the port named ``port`` of the Service ``service``."""
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"name": port}}}}
    return who.body(
        "networking.k8s.io/v1",
        "Ingress",
        spec={
            "ingressClassName": ingress_class,
            "tls": [{"hosts": [host], "secretName": tls_secret}],
            "rules": [{"host": host, "http": {"paths": [path]}}],
        },
    )


def http_route(who: Identity, *, host: str, service: str, port: int, parent: Mapping[str, str]) -> Body:
    """What comes to a Gateway for ``host``, led to ``port`` of the Service ``service``. ``parent`` refers to the Gateway."""
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"name": service, "port": port}],
    }
    return who.body(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        spec={"parentRefs": [dict(parent)], "hostnames": [host], "rules": [rule]},
    )


def config_map(who: Identity, data: Mapping[str, str]) -> Body:
    """A ConfigMap with ``data``, keys in order."""
    return who.body("v1", "ConfigMap", data={key: data[key] for key in sorted(data)})


def service_account(who: Identity) -> Body:
    """An account whose token no Pod gets unless it asks for it."""
    return who.body("v1", "ServiceAccount", automountServiceAccountToken=False)


def role(who: Identity, rules: Sequence[Mapping[str, Any]]) -> Body:
    """A Role with ``rules``."""
    return who.body("rbac.authorization.k8s.io/v1", "Role", rules=[dict(rule) for rule in rules])


def role_binding(who: Identity, subjects: Sequence[Mapping[str, str]]) -> Body:
    """The Role of the same name, given to ``subjects``."""
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": who.name}
    return who.body("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef=ref, subjects=[dict(s) for s in subjects])


def network_policy(
    who: Identity,
    *,
    pods: Mapping[str, str],
    ingress: Sequence[Mapping[str, Any]] = (),
    egress: Sequence[Mapping[str, Any]] = (),
) -> Body:
    """What may call the Pods with the labels ``pods`` (none: all Pods) and what they may call; everything else is refused."""
    return who.body(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": {"matchLabels": dict(pods)} if pods else {},
            "policyTypes": ["Ingress", "Egress"],
            # An empty list is not kept by the API, and would differ from what is there for ever.
            **({"ingress": [dict(rule) for rule in ingress]} if ingress else {}),
            **({"egress": [dict(rule) for rule in egress]} if egress else {}),
        },
    )
