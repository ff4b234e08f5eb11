"""Every gate opens in the end: what it waits for exists, and does not wait for it in turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stackloom.checks.context import CheckContext
from stackloom.checks.index import JOB_LABEL, Index, Workload, at, each, problem, text
from stackloom.errors import Problem, did_you_mean
from stackloom.model.output import Output

# What the variables of a gate name, and what stands between the names. Pods are named by their labels.
_VARIABLES = {
    "GATE_SERVICES": ("Service", ","),
    "GATE_JOBS": ("Job", ","),
    "GATE_LASTING_JOBS": ("Job", ","),
    "GATE_NODE_PODS": ("Pod", ";"),
}


class _Wait(NamedTuple):
    """What a gate waits for: any of ``workloads`` where ``what`` is a Service or Pods of the node, all of them for Jobs."""

    what: str
    workloads: Sequence[Workload]
    every: bool


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:
    """Services, Jobs and Pods of the node that the init container ``gate`` waits for; circles of gates."""
    index = Index.of(output)
    jobs: dict[str, list[Workload]] = defaultdict(list)
    for workload in index.workloads:
        label = text(at(workload.output.body, "metadata", "labels"), JOB_LABEL)
        if label and workload.output.kind == "Job":
            jobs[label].append(workload)
    waits: dict[Workload, list[_Wait]] = {}
    for workload in index.workloads:
        found = list(_waits(workload, index, jobs, context))
        yield from (item for item in found if isinstance(item, Problem))
        waits[workload] = [item for item in found if isinstance(item, _Wait)]
    yield from _circles(waits)


def _waits(w: Workload, index: Index, jobs: Mapping[str, list[Workload]], context: CheckContext) -> Iterator[_Wait | Problem]:
    """What the gate of a workload waits for within the output, and a problem for each thing that does not exist."""
    gate = w.gate
    if gate is None:
        return
    for i, variable in each(gate.body, "env"):
        kind, separator = _VARIABLES.get(text(variable, "name"), ("", ","))
        names = [name.strip() for name in text(variable, "value").split(separator)] if kind else []
        for name in filter(None, names):
            workloads = _found(kind, name, w.output.namespace, index, jobs)
            if workloads is not None:
                yield _Wait(f"the {kind} {name}", workloads, every=kind == "Job")
            elif name not in context.externals.of_kind(kind):
                known = {*context.externals.of_kind(kind), *(jobs if kind == "Job" else (o.name for o in index.of_kind(kind)))}
                what = f"the gate waits for the {kind} {name!r}, which nothing makes"
                yield problem(w.output, f"{gate.field}.env[{i}].value", what, did_you_mean(name, known))


def _found(kind: str, name: str, namespace: str, index: Index, jobs: Mapping[str, list[Workload]]) -> Sequence[Workload] | None:
    """The workloads that open the gate; None where there is nothing of this name."""
    if kind == "Service":
        service = index.find("Service", namespace, name)
        selector = at(service.body, "spec", "selector") if service else {}
        return None if service is None else index.carrying(namespace, selector) if selector else []
    if kind == "Job":
        return jobs.get(name)
    labels = dict(pair.partition("=")[::2] for pair in name.split(","))
    return index.carrying(namespace, labels) or None


def _circles(waits: Mapping[Workload, Sequence[_Wait]]) -> Iterator[Problem]:
    """A problem for each circle of workloads that wait for each other, found as what is left when all others have started."""
    started: set[Workload] = set()
    left = list(waits)
    while left:
        starting = [w for w in left if not any(_blocks(wait, started) for wait in waits[w])]
        if not starting:
            break
        started.update(starting)
        left = [w for w in left if w not in started]
    reported: set[frozenset[Workload]] = set()
    for workload in left:
        circle, steps = _circle(workload, waits, started)
        if frozenset(circle) not in reported:
            reported.add(frozenset(circle))
            chain = ", which waits for ".join(steps)
            yield circle[0].problem("spec.initContainers", f"its gate never opens: it waits for {chain}", "Break the circle")


def _blocks(wait: _Wait, started: set[Workload]) -> bool:
    if wait.every:
        return not started.issuperset(wait.workloads)
    # A Service without a selector, or one that selects nothing, is the business of another check.
    return bool(wait.workloads) and started.isdisjoint(wait.workloads)


def _circle(
    start: Workload, waits: Mapping[Workload, Sequence[_Wait]], started: set[Workload]
) -> tuple[list[Workload], list[str]]:
    """The circle that one arrives in from ``start``, and what each member waits for."""
    trail, steps = [start], []
    while True:
        wait = next(wait for wait in waits[trail[-1]] if _blocks(wait, started))
        following = next(w for w in wait.workloads if w not in started)
        steps.append(f"{wait.what} ({following.output.path})")
        if following in trail:
            first = trail.index(following)
            return trail[first:], steps[first:]
        trail.append(following)
