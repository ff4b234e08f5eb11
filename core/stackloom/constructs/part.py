"""What the words of the vocabulary have in common: each adds objects to the component, and may be waited for.

They are no constructs of cdk8s themselves: a node of the tree costs as much as an object, and these would hold nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackloom.manifests.files import File
from stackloom.manifests.gate import Gate
from stackloom.manifests.objects import disruption_budget
from stackloom.manifests.workloads import Body, Identity

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

Files = Sequence[File | Sequence[File]]


class Part:
    """A part of a service. ``awaited`` is what other parts wait for when they start ``after`` this one."""

    def __init__(self, ctx: ServiceContext) -> None:
        self._component = ctx.component
        self.awaited = Gate()

    def put(self, body: Body, *, gate: Gate | None = None) -> None:
        """Add an object to the component; ``gate`` is what its Pods wait for."""
        self._component.add(body, gate=gate)

    def put_budget(self, who: Identity, replicas: int) -> None:
        """Add a disruption budget where there is more than one Pod to disrupt."""
        if replicas > 1:
            self.put(disruption_budget(who))


def flat(files: Files) -> list[File]:
    """Files and groups of files (as ``ctx.oslo_config`` gives them) as one list."""
    return [f for item in files for f in (item if isinstance(item, Sequence) else [item])]
