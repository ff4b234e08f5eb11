"""The images of an output: who runs each, and on which nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from stackloom.checks.index import Index, Workload, at, text
from stackloom.model.output import Output
from stackloom.model.placement import NodeRole


@dataclass(frozen=True, slots=True)
class UsedImage:
    """An image as manifests name it, with tag and digest.

    ``components`` run it, ``roles`` are those of the nodes where it may run, in the order of :class:`NodeRole`. ``ours`` says
    that a component of Stackloom is among them, and not the operator's own charts alone.
    """

    reference: str
    components: tuple[str, ...]
    roles: tuple[NodeRole, ...]
    ours: bool

    @property
    def name(self) -> str:
        """The reference without its digest."""
        return self.reference.partition("@")[0]

    @property
    def digest(self) -> str:
        """The digest (``sha256:...``); "" where the reference has none."""
        return self.reference.partition("@")[2]


def used_images(output: Sequence[Output]) -> list[UsedImage]:
    """Every image that any container runs, init containers and those of Jobs among them, sorted by reference."""
    users: dict[str, list[Workload]] = defaultdict(list)
    for workload in Index.of(output).workloads:
        for container in workload.containers:
            if reference := text(container.body, "image"):
                users[reference].append(workload)
    return [_used(reference, users[reference]) for reference in sorted(users)]


def _used(reference: str, users: Sequence[Workload]) -> UsedImage:
    components = sorted({w.output.component for w in users})
    roles = {role for w in users for role in _roles(w)}
    ours = not all(w.output.foreign for w in users)
    return UsedImage(reference, tuple(components), tuple(role for role in NodeRole if role in roles), ours)


def _roles(workload: Workload) -> Sequence[NodeRole]:
    """The roles that the Pod's node must have; all of them where it names none, because it may run anywhere."""
    wanted = at(workload.spec, "nodeSelector")
    return [role for role in NodeRole if role.labels.items() <= wanted.items()] or list(NodeRole)
