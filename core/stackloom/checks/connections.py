"""Who calls a service of the cloud by its address may do so: no NetworkPolicy stands in the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from stackloom.checks.context import CheckContext
from stackloom.checks.index import Index, Workload, at, each, text
from stackloom.checks.pod_references import pod_references
from stackloom.checks.policies import Policies, container_ports
from stackloom.errors import Problem
from stackloom.model.output import Output

# The address of a Service, or of a Pod behind a headless one, with its port.
_ADDRESS = re.compile(r"(?<![\w.-])(?:[a-z0-9-]+\.)?([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.[a-z0-9-]+)*:(\d+)")


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:  # noqa: ARG001
    """Addresses in the environment and in the ConfigMaps of Pods, of Services in the output."""
    index = Index.of(output)
    if not index.of_kind("NetworkPolicy"):
        return
    policies = Policies(index)
    reported = set()
    for source in index.workloads:
        for service, namespace, port in sorted(addresses(source, index)):
            for target, number in behind(service, namespace, int(port), index):
                case = (source.output.component, service, port)
                if case not in reported and not policies.allow(source, target, number):
                    reported.add(case)
                    what = f"calls {service}:{port}, and no NetworkPolicy lets {source.output.component!r} do that"
                    hint = "Name what it calls in `requires` or `uses` of the Service"
                    yield source.problem("spec", what, hint)


def addresses(w: Workload, index: Index) -> set[tuple[str, str, str]]:
    """(Service, namespace, port) of the addresses that its Pods are told."""
    texts = [text(variable, "value") for c in w.containers for _, variable in each(c.body, "env")]
    for reference in pod_references(w):
        if reference.kind == "ConfigMap":
            config = index.find("ConfigMap", w.output.namespace, reference.name)
            data = at(config.body, "data") if config else {}
            texts += [text(data, key) for key in ([reference.key] if reference.key else data)]
    return {found for told in texts if ".svc" in told for found in _ADDRESS.findall(told)}


def behind(service: str, namespace: str, port: int, index: Index) -> Iterator[tuple[Workload, int]]:
    """The workloads behind a port of a Service, each with the number of the port of its Pods."""
    found = index.find("Service", namespace, service)
    spec = at(found.body, "spec") if found else {}
    for _, entry in each(spec, "ports"):
        if entry.get("port") == port:
            for w in index.carrying(namespace, at(spec, "selector")):
                for number in _numbers(w, entry.get("targetPort") or port):
                    yield w, number


def _numbers(w: Workload, target: Any) -> list[int]:
    """The numbers of the Pods' port that a Service leads to, by number or by name."""
    return container_ports(w, target) if isinstance(target, str) else [target] if isinstance(target, int) else []
