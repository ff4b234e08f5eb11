"""Network policies, derived from the graph: a service is called by those that require it and calls what it requires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from stackloom.constructs import tls_proxy
from stackloom.graph import INGRESS, Graph
from stackloom.manifests.gate import reaches_api
from stackloom.manifests.objects import network_policy
from stackloom.manifests.workloads import Body, Identity
from stackloom.model.service import Service

# The API server and the cluster's DNS run outside the namespace, often on the host network: only the ports can be named.
_DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
_API_SERVER = {"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]}

Rule = dict[str, Any]


def _pods(applications: Iterable[str]) -> Rule:
    return {"podSelector": {"matchExpressions": [{"key": "application", "operator": "In", "values": sorted(applications)}]}}


def _tcp(ports: Iterable[int | range]) -> list[Rule]:
    return _spans(ports, "TCP")


def _spans(ports: Iterable[int | range], protocol: str) -> list[Rule]:
    spans = {range(port, port + 1) if isinstance(port, int) else port for port in ports}
    return [
        {"port": span[0], **({"endPort": span[-1]} if len(span) > 1 else {}), "protocol": protocol}
        for span in sorted(spans, key=lambda span: (span[0], span[-1]))
    ]


def default_deny(who: Identity) -> Body:
    """Nothing in the namespace calls or is called but as another policy says."""
    return network_policy(who, pods={})


def api_client_policy(who: Identity) -> Body:
    """The policy of Pods that call the API server and nothing else."""
    return network_policy(who, pods={"application": who.labels["application"]}, egress=[_DNS, _API_SERVER])


def service_policy(
    who: Identity,
    graph: Graph,
    service: Service,
    pods: Sequence[Mapping[str, Any]],
    *,
    egress_ports: Sequence[int | range] = (),
    open_ports: Sequence[int] = (),
    open_udp_ports: Sequence[int] = (),
    monitored_ports: Sequence[int] = (),
    monitoring: str = "",
    on_nodes: AbstractSet[str] = frozenset(),
    behind_tls: AbstractSet[str] = frozenset(),
    absent: AbstractSet[str] = frozenset(),
    node_networks: Sequence[str] = (),
) -> Body:
    """The policy of all Pods of a service.

    ``pods`` are their specifications; ``egress_ports`` are open to anywhere, ``open_ports`` and ``open_udp_ports`` from anywhere,
    ``monitored_ports`` from the namespace ``monitoring``. ``on_nodes`` names the services with Pods on their node's network,
    which call with an address of the node: of ``node_networks``, or any where those are not known. ``behind_tls`` names those
    whose public endpoints the ingress calls through TLS proxies. ``absent`` are services that run nothing in this cloud, because
    it has them from elsewhere or another of their kind: nobody calls them.
    """
    ports = [e.port for e in service.endpoints]
    is_public, proxied = any(e.public for e in service.endpoints), service.name in behind_tls
    callers = [service.name, *graph.callers(service), *([INGRESS] if is_public and not proxied else [])]
    blocks = [{"ipBlock": {"cidr": network}} for network in node_networks]
    ingress: list[Rule] = []
    if ports and not blocks and not on_nodes.isdisjoint(callers):
        ingress.append({"ports": _tcp(ports)})
    elif ports:
        ingress.append({"from": [_pods(callers), *(blocks if not on_nodes.isdisjoint(callers) else ())], "ports": _tcp(ports)})
    if is_public and proxied:
        ingress.append({"from": [_pods([INGRESS])], "ports": _tcp([tls_proxy.PORT])})
    if service.peer_ports:
        ingress.append({"from": [_pods([service.name])], "ports": _tcp(service.peer_ports)})
    if monitored_ports:
        namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": monitoring}}}
        ingress.append({"from": [namespace], "ports": _tcp(monitored_ports)})
    if open_ports or open_udp_ports:
        ingress.append({"ports": [*_tcp(open_ports), *_spans(open_udp_ports, "UDP")]})
    by_component: dict[str, list[int]] = {}
    callees = graph.callees(service)
    if service.backs == INGRESS:
        callees = [(component, tls_proxy.PORT if component in behind_tls else port) for component, port in callees]
    for component, port in [*callees, *((service.name, port) for port in (*ports, *service.peer_ports))]:
        if component not in absent:
            by_component.setdefault(component, []).append(port)
    egress = [{"to": [_pods([component])], "ports": _tcp(numbers)} for component, numbers in sorted(by_component.items())]
    if egress_ports:
        egress.append({"ports": _tcp(egress_ports)})
    if egress or any(map(reaches_api, pods)):
        egress.append(_DNS)
    if any(map(reaches_api, pods)):
        egress.append(_API_SERVER)
    return network_policy(who, pods={"application": service.name}, ingress=ingress, egress=egress)
