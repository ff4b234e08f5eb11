"""Network policies, derived from the graph: a service is called by those that require it and calls what it requires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stackloom.graph import Graph
from stackloom.manifests.objects import network_policy
from stackloom.manifests.workloads import Body, Identity
from stackloom.model.service import Service

# The API server and the cluster's DNS run outside the namespace, often on the host network: only the ports can be named.
_DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
_API_SERVER = {"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]}


def _pods(applications: Sequence[str]) -> dict[str, Any]:
    return {"podSelector": {"matchExpressions": [{"key": "application", "operator": "In", "values": sorted(applications)}]}}


def service_policy(who: Identity, graph: Graph, service: Service, egress_ports: Sequence[int]) -> Body:
    """The policy of all Pods of a service. ``egress_ports`` are open to anywhere."""
    ports = [{"port": e.port, "protocol": "TCP"} for e in service.endpoints]
    callers = [service.name, *graph.callers(service), *(["ingress"] if any(e.public for e in service.endpoints) else [])]
    ingress = [{"from": [_pods(callers)], "ports": ports}] if ports else []
    by_component: dict[str, list[int]] = {}
    for component, port in [*graph.callees(service), *((service.name, e.port) for e in service.endpoints)]:
        by_component.setdefault(component, []).append(port)
    egress: list[dict[str, Any]] = [
        {"to": [_pods([component])], "ports": [{"port": port, "protocol": "TCP"} for port in sorted(numbers)]}
        for component, numbers in sorted(by_component.items())
    ]
    if egress_ports:
        egress.append({"ports": [{"port": port, "protocol": "TCP"} for port in sorted(set(egress_ports))]})
    return network_policy(who, pods={"application": service.name}, ingress=ingress, egress=[*egress, _DNS, _API_SERVER])
