"""Every selector selects what it is meant to, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stackloom.checks.context import CheckContext
from stackloom.checks.index import LONG_RUNNING, Index, Workload, at, each, matches, problem, text
from stackloom.errors import Problem, did_you_mean
from stackloom.model.output import Output


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:  # noqa: ARG001
    """Selectors of workloads, Services, budgets, policies and monitors, and those in a Pod's own scheduling."""
    index = Index.of(output)
    for workload in index.workloads:
        if workload.output.kind in LONG_RUNNING:
            yield from _own(workload, index)
        yield from _scheduling(workload, index)
    for o in index.of_kind("Service"):
        yield from _service(o, index)
    yield from _budgets(index)
    for o in index.of_kind("NetworkPolicy"):
        selector = at(o.body, "spec", "podSelector")
        if selector and not any(w.output.component == o.component for w in index.selected(o.namespace, selector)):
            yield problem(o, "spec.podSelector", f"selects no Pod of the component {o.component!r}", _near(selector, index))
    for o in index.of_kind("ServiceMonitor"):
        yield from _service_monitor(o, index)
    for o in index.of_kind("PodMonitor"):
        selector = at(o.body, "spec", "selector")
        pods = index.selected(o.namespace, selector)
        if not pods:
            yield problem(o, "spec.selector", "selects no Pod", _near(selector, index))
        for i, endpoint in each(at(o.body, "spec"), "podMetricsEndpoints"):
            for w in pods:
                yield from _port(o, f"spec.podMetricsEndpoints[{i}].port", endpoint.get("port"), w)


def _near(selector: Mapping[str, Any], index: Index) -> str:
    """The hint for a selector that selects nothing: the first of its labels that no Pod carries."""
    for key, value in at(selector, "matchLabels").items():
        values = {str(w.labels[key]) for w in index.workloads if key in w.labels}
        if not values:
            return f"No Pod has a label {key!r}"
        if str(value) not in values:
            return f"No Pod has the label {key}={value}. {did_you_mean(str(value), values)}".rstrip(". ")
    return "No Pod has all of its labels"


def _own(w: Workload, index: Index) -> Iterator[Problem]:
    o, selector = w.output, at(w.output.body, "spec", "selector")
    if not selector:
        yield problem(o, "spec.selector", "is missing or empty", "Select the labels of the Pod template that never change")
        return
    selected = index.selected(o.namespace, selector)
    if w not in selected:
        yield problem(
            o, "spec.selector", "does not select the Pods of its own template", "Make the labels of spec.template the same"
        )
    for other in selected:
        if other is not w:
            what = f"selects the Pods of {other.output.path} too"
            yield problem(o, "spec.selector", what, "Give each workload a label, or a value of one, that no other has")


def _scheduling(w: Workload, index: Index) -> Iterator[Problem]:
    namespace = w.output.namespace
    for i, constraint in each(w.spec, "topologySpreadConstraints"):
        if w not in index.selected(namespace, at(constraint, "labelSelector")):
            yield w.problem(
                f"spec.topologySpreadConstraints[{i}].labelSelector", "does not select the Pod itself: nothing is spread"
            )
    for affinity in ("podAffinity", "podAntiAffinity"):
        rules = at(w.spec, "affinity", affinity)
        for key in ("requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"):
            for i, term in each(rules, key):
                selector = at(term.get("podAffinityTerm", term), "labelSelector")
                if not index.selected(namespace, selector):
                    yield w.problem(f"spec.affinity.{affinity}.{key}[{i}]", "selects no Pod", _near(selector, index))


def _service(o: Output, index: Index) -> Iterator[Problem]:
    spec = at(o.body, "spec")
    selector = at(spec, "selector")
    if not selector:
        return
    pods = index.carrying(o.namespace, selector)
    if not pods:
        yield problem(o, "spec.selector", "selects no Pod", _near({"matchLabels": selector}, index))
    for w in pods:
        if w.output.kind not in LONG_RUNNING:
            yield problem(o, "spec.selector", f"selects the Pods of {w.output.path}, which come and go", "Give them other labels")
            continue
        for i, port in each(spec, "ports"):
            yield from _port(o, f"spec.ports[{i}].targetPort", port.get("targetPort", port.get("port")), w)


def _port(o: Output, field: str, port: Any, w: Workload) -> Iterator[Problem]:
    """The problem of a port that the Pods of ``w`` do not have."""
    ports = [p for c in w.containers if not c.init for _, p in each(c.body, "ports")]
    known = [p.get("containerPort" if isinstance(port, int) else "name") for p in ports]
    if port not in known:
        hint = did_you_mean(port, {name for name in known if isinstance(name, str)}) if isinstance(port, str) else ""
        yield problem(o, field, f"the Pods of {w.output.path} have no port {port!r}", hint)


def _budgets(index: Index) -> Iterator[Problem]:
    first: dict[Workload, Output] = {}
    for o in index.of_kind("PodDisruptionBudget"):
        selector = at(o.body, "spec", "selector")
        pods = index.selected(o.namespace, selector)
        if not pods:
            yield problem(o, "spec.selector", "selects no Pod", _near(selector, index))
        for w in pods:
            other = first.setdefault(w, o)
            if other is not o:
                what = f"selects the Pods of {w.output.path}, as {other.path} does"
                yield problem(o, "spec.selector", what, "A Pod with two budgets cannot be evicted: its node cannot be drained")


def _service_monitor(o: Output, index: Index) -> Iterator[Problem]:
    selector = at(o.body, "spec", "selector")
    wanted = at(selector, "matchLabels")
    services = []
    for service in index.of_kind("Service"):
        labels = at(service.body, "metadata", "labels")
        if all(labels.get(key) == value for key, value in wanted.items()) and matches(labels, selector):
            services.append(service)
    if not services:
        yield problem(o, "spec.selector", "selects no Service", "It is compared with the labels of Services, not of Pods")
    for i, endpoint in each(at(o.body, "spec"), "endpoints"):
        port = text(endpoint, "port")
        for service in services:
            ports = {text(p, "name") for _, p in each(at(service.body, "spec"), "ports")}
            if port and port not in ports:
                what = f"the Service {service.name!r} has no port {port!r}"
                yield problem(o, f"spec.endpoints[{i}].port", what, did_you_mean(port, ports))
