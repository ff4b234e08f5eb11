"""The output, read once: what the checks look up again and again.

The helpers take any shape of value, because a check must not fall over what another check reports.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, overload

from stackloom.errors import Problem
from stackloom.model.output import Output
from stackloom.names import LABEL_PREFIX

JOB_LABEL = f"{LABEL_PREFIX}/job"
TASK_LABEL = f"{LABEL_PREFIX}/task"
# On a Pod template: the keys, comma-separated, of labels that a program puts on its Pods while they run.
RUNTIME_LABELS = f"{LABEL_PREFIX}/runtime-labels"

LONG_RUNNING = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_TEMPLATES = {
    **dict.fromkeys([*LONG_RUNNING, "ReplicaSet", "Job"], ("spec", "template")),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}


def at(value: Any, *keys: str) -> dict[str, Any]:
    """The mapping under ``keys``; an empty one where there is none."""
    for key in keys:
        if not isinstance(value, dict):
            return {}
        value = value.get(key)
    return value if isinstance(value, dict) else {}


def each(value: Any, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The mappings in the list under ``key``, each with its place in it."""
    items = value.get(key) if isinstance(value, dict) else None
    if isinstance(items, list | tuple):
        for i, item in enumerate(items):
            if isinstance(item, dict):
                yield i, item


def text(value: Any, key: str) -> str:
    """The string under ``key``, or ""."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def problem(output: Output, field: str, what: str, hint: str = "") -> Problem:
    """A problem of ``field`` (``spec.replicas``) of an object, or of the whole of it where that is ""."""
    return Problem(path=f"{output.path}: {field}" if field else output.path, what=what, hint=hint, source=output.source)


class Container(NamedTuple):
    """A container of a Pod template and where it stands in it (``spec.initContainers[0]``)."""

    field: str
    body: dict[str, Any]
    init: bool

    @property
    def name(self) -> str:
        """Its name."""
        return text(self.body, "name")


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """An object that makes Pods. ``template`` is the Pod as it is to be made, ``field`` where that stands in the object."""

    output: Output
    field: str
    template: dict[str, Any]
    labels: dict[str, Any]
    runtime_labels: frozenset[str]
    containers: tuple[Container, ...]

    @classmethod
    def of(cls, output: Output) -> Workload | None:
        """The workload that ``output`` is, if it is one."""
        keys = _TEMPLATES.get(output.kind)
        if keys is None:
            return None
        template = at(output.body, *keys)
        prefix = "".join(f"{key}." for key in keys)
        spec = at(template, "spec")
        containers = [
            Container(f"{prefix}spec.{key}[{i}]", body, key == "initContainers")
            for key in ("initContainers", "containers")
            for i, body in each(spec, key)
        ]
        runtime = text(at(template, "metadata", "annotations"), RUNTIME_LABELS)
        keys_at_run_time = frozenset(key.strip() for key in runtime.split(",")) if runtime else frozenset()
        return cls(output, prefix, template, at(template, "metadata", "labels"), keys_at_run_time, tuple(containers))

    @property
    def spec(self) -> dict[str, Any]:
        """The Pod's ``spec``."""
        return at(self.template, "spec")

    @property
    def annotations(self) -> dict[str, Any]:
        """The Pod's annotations."""
        return at(self.template, "metadata", "annotations")

    @property
    def gate(self) -> Container | None:
        """The init container that waits for what the Pod needs."""
        return next((c for c in self.containers if c.init and c.name == "gate"), None)

    def problem(self, field: str, what: str, hint: str = "") -> Problem:
        """A problem of a field of the Pod template (``spec.hostNetwork``)."""
        return problem(self.output, self.field + field, what, hint)

    def has_labels(self, wanted: Mapping[str, Any]) -> bool:
        """Whether its Pods carry ``wanted``, or may come to carry them while they run."""
        return all(self.labels.get(key) == value or self._comes_to_carry(key, value) for key, value in wanted.items())

    def _comes_to_carry(self, key: str, value: Any) -> bool:
        if key == "statefulset.kubernetes.io/pod-name" and self.output.kind == "StatefulSet":
            stem, _, ordinal = str(value).rpartition("-")
            replicas = at(self.output.body, "spec").get("replicas", 1)
            return stem == self.output.name and ordinal.isdecimal() and isinstance(replicas, int) and int(ordinal) < replicas
        return key in self.runtime_labels


def matches(labels: Mapping[str, Any], selector: Mapping[str, Any]) -> bool:
    """Whether a LabelSelector's ``matchExpressions`` hold for ``labels``."""
    for _, expression in each(selector, "matchExpressions"):
        value = labels.get(text(expression, "key"))
        values = expression.get("values")
        listed = isinstance(values, list) and value in values
        operator = expression.get("operator")
        held = {"In": listed, "NotIn": not listed, "Exists": value is not None, "DoesNotExist": value is None}
        if not held.get(str(operator), False):
            return False
    return True


class Index(Sequence[Output]):
    """All objects, and what is where among them. ``objects`` leaves out those that have no metadata to speak of."""

    def __init__(self, output: Sequence[Output]) -> None:
        self._output = output
        self.objects = tuple(o for o in output if isinstance(o.body.get("metadata"), dict))
        self._by_kind: dict[str, dict[tuple[str, str], Output]] = defaultdict(dict)
        self.workloads: list[Workload] = []
        self._workloads_by_label: dict[tuple[str, str], list[Workload]] = defaultdict(list)
        self._selected: dict[tuple[str, tuple[tuple[str, str], ...]], list[Workload]] = {}
        for o in self.objects:
            self._by_kind[o.kind].setdefault((o.namespace, o.name), o)
            workload = Workload.of(o)
            if workload is not None:
                self.workloads.append(workload)
                for label in workload.labels.items():
                    self._workloads_by_label[label[0], str(label[1])].append(workload)

    @classmethod
    def of(cls, output: Sequence[Output]) -> Index:
        """The index of ``output``, which may be one already."""
        return output if isinstance(output, cls) else cls(output)

    @overload
    def __getitem__(self, index: int) -> Output: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Output]: ...
    def __getitem__(self, index: int | slice) -> Output | Sequence[Output]:
        return self._output[index]

    def __len__(self) -> int:
        return len(self._output)

    def of_kind(self, kind: str) -> Sequence[Output]:
        """The objects of a kind."""
        return tuple(self._by_kind[kind].values()) if kind in self._by_kind else ()

    def find(self, kind: str, namespace: str, name: str) -> Output | None:
        """The object of this identity; cluster-wide ones have the namespace ""."""
        return self._by_kind[kind].get((namespace, name)) if kind in self._by_kind else None

    def selected(self, namespace: str, selector: Any) -> list[Workload]:
        """The workloads whose Pods a LabelSelector selects. An empty selector selects all of the namespace."""
        wanted = at(selector, "matchLabels")
        found = self.carrying(namespace, wanted)
        return [w for w in found if matches(w.labels, selector)] if at(selector).get("matchExpressions") else found

    def carrying(self, namespace: str, labels: Mapping[str, Any]) -> list[Workload]:
        """The workloads whose Pods carry all of ``labels``."""
        key = (namespace, tuple(sorted((k, str(v)) for k, v in labels.items())))
        found = self._selected.get(key)
        if found is None:
            found = [w for w in self._candidates(labels) if w.output.namespace == namespace and w.has_labels(labels)]
            self._selected[key] = found
        return found

    def _candidates(self, labels: Mapping[str, Any]) -> Sequence[Workload]:
        """The shortest list that holds every workload which may carry ``labels``."""
        lists = [self._workloads_by_label.get((k, str(v)), []) for k, v in labels.items() if k not in self._set_at_run_time]
        return min(lists, key=len, default=self.workloads)

    @cached_property
    def _set_at_run_time(self) -> frozenset[str]:
        return frozenset({"statefulset.kubernetes.io/pod-name"}.union(*(w.runtime_labels for w in self.workloads)))

    @cached_property
    def autoscaled(self) -> Mapping[tuple[str, str, str], int]:
        """The least number of replicas of what a HorizontalPodAutoscaler scales, by (kind, namespace, name)."""
        least = {}
        for o in self.of_kind("HorizontalPodAutoscaler"):
            target, minimum = at(o.body, "spec", "scaleTargetRef"), at(o.body, "spec").get("minReplicas", 1)
            if isinstance(minimum, int):
                least[text(target, "kind"), o.namespace, text(target, "name")] = minimum
        return least

    def replicas(self, workload: Workload) -> int:
        """How many Pods a workload has at least; 1 where nothing says so."""
        o = workload.output
        number = at(o.body, "spec").get("replicas", 1)
        return self.autoscaled.get((o.kind, o.namespace, o.name), number if isinstance(number, int) else 1)
