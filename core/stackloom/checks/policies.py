"""What the NetworkPolicies of the output let through, by the rules of Kubernetes."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from stackloom.checks.index import Index, Workload, at, each, matches, text
from stackloom.model.output import Output

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"


class Policies:
    """Which connections between Pods of the output are open, when its policies are the only ones."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.allow = cache(self._allow)

    @cached_property
    def _by_workload(self) -> dict[Workload, list[Output]]:
        found: dict[Workload, list[Output]] = {w: [] for w in self._index.workloads}
        for policy in self._index.of_kind("NetworkPolicy"):
            for w in self._index.selected(policy.namespace, at(policy.body, "spec", "podSelector")):
                found[w].append(policy)
        return found

    def _allow(self, source: Workload, target: Workload, port: int) -> bool:
        """Whether Pods of ``source`` may connect to the TCP ``port`` of Pods of ``target``."""
        return self._one_way(source, target, "Egress", target, port) and self._one_way(target, source, "Ingress", target, port)

    def _one_way(self, governed: Workload, other: Workload, direction: str, target: Workload, port: int) -> bool:
        """Whether the policies of ``governed`` let it talk with ``other``: all is open without one, and on the host's network."""
        if governed.spec.get("hostNetwork"):
            return True
        policies = [p for p in self._by_workload[governed] if direction in _types(p)]
        if not policies:
            return True
        peers = "to" if direction == "Egress" else "from"
        rules = (rule for p in policies for _, rule in each(at(p.body, "spec"), direction.lower()))
        namespace = governed.output.namespace
        return any(_has_port(rule, target, port) and _has_peer(rule, peers, namespace, other) for rule in rules)


def _types(policy: Output) -> list[str]:
    spec = at(policy.body, "spec")
    implied = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    types = spec.get("policyTypes", implied)
    return types if isinstance(types, list) else implied


def _has_port(rule: dict[str, Any], target: Workload, port: int) -> bool:
    ports = list(each(rule, "ports"))
    return not ports or any(_is_port(item, target, port) for _, item in ports)


def _is_port(item: dict[str, Any], target: Workload, port: int) -> bool:
    if item.get("protocol", "TCP") != "TCP":
        return False
    first = item.get("port")
    if isinstance(first, str):
        return port in container_ports(target, first)
    last = item.get("endPort", first)
    return first is None or (isinstance(first, int) and isinstance(last, int) and first <= port <= last)


def container_ports(w: Workload, name: str) -> list[int]:
    """The numbers of the port of this name in the main containers of a workload."""
    ports = (port for c in w.containers if not c.init for _, port in each(c.body, "ports"))
    return [port["containerPort"] for port in ports if text(port, "name") == name and isinstance(port.get("containerPort"), int)]


def _has_peer(rule: dict[str, Any], key: str, namespace: str, other: Workload) -> bool:
    peers = list(each(rule, key))
    return not peers or any(_is_peer(peer, namespace, other) for _, peer in peers)


def _is_peer(peer: dict[str, Any], namespace: str, other: Workload) -> bool:
    """Whether ``other`` is among those that a peer of a policy in ``namespace`` names. A range of addresses names no Pod."""
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        in_place = _selects(at(peer, "namespaceSelector"), {_NAMESPACE_LABEL: other.output.namespace})
    else:
        in_place = other.output.namespace == namespace
    return in_place and _selects(at(peer, "podSelector"), other.labels)


def _selects(selector: dict[str, Any], labels: dict[str, Any]) -> bool:
    return at(selector, "matchLabels").items() <= labels.items() and matches(labels, selector)
