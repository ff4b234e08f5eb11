"""Variants of an agent: which of them a node gets, when ``spec.nodes`` sets some nodes apart.

The overrides stand in the deployment in an order, and a node takes the first that fits its labels. A variant therefore asks for
its own label and for none of those before it. So every node is served by exactly one variant whatever labels it carries, a
variant's name depends on its own label alone, and an override that is added last changes nothing but the default variant.

An agent that is no other one on the nodes of an override leaves them to its default variant, where they keep their place in the
order: whoever asks for the same overrides sees the same node on the same side of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stackloom.names import slug

if TYPE_CHECKING:
    from stackloom.model.placement import NodeRole
    from stackloom.model.service import Service
    from stackloom.spec.deployment import OpenStackDeployment


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant: ``key=value`` is the node label that selects it ("" for all other nodes); ``before`` are the labels that win.

    ``also`` are labels that its nodes must have besides.
    ``features`` is what the operator set for these nodes (``spec.nodes.<label>.features.<service>``), ``conf`` the options
    (``spec.nodes.<label>.services.<type>.<service>.values.conf``), ``beside`` the features of other services that were asked for.
    ``others`` are overrides whose nodes run the default variant.
    """

    key: str = ""
    value: str = ""
    before: tuple[tuple[str, str], ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    features: Any = None
    conf: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[Variant, ...] = ()

    @property
    def label(self) -> str:
        """As the deployment writes it in ``spec.nodes``."""
        return f"{self.key}::{self.value}"

    @property
    def suffix(self) -> str:
        """What tells its objects' names apart: nothing for the default."""
        return f"-{slug(f'{self.key}={self.value}', 20)}" if self.key else ""

    @property
    def affinity(self) -> dict[str, Any] | None:
        """The nodes it runs on, as a Pod's affinity; None for every node."""
        return self.affinity_but_on(None)

    def affinity_but_on(self, role: NodeRole | None) -> dict[str, Any] | None:
        """The nodes it runs on but for those that have ``role``, as a Pod's affinity; None for every node."""
        but = [{"key": key, "operator": "NotIn", "values": [value]} for key, value in (role.labels if role else {}).items()]
        terms = [[*variant.expressions, *but] for variant in (self, *self.others)]
        if not all(terms):
            return None
        selector = {"nodeSelectorTerms": [{"matchExpressions": expressions} for expressions in terms]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}

    @property
    def expressions(self) -> list[dict[str, Any]]:
        """What a node's labels must meet for its own override."""
        wanted = [*([(self.key, self.value)] if self.key else []), *self.also]
        terms: list[dict[str, Any]] = [{"key": key, "operator": "In", "values": [value]} for key, value in wanted]
        others: dict[str, list[str]] = {}
        for key, value in self.before:
            if key != self.key:  # a label has one value: a node with this one's cannot have the other
                others.setdefault(key, []).append(value)
        return [*terms, *({"key": key, "operator": "NotIn", "values": values} for key, values in others.items())]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with ``labels`` runs it."""
        own = not self.key or labels.get(self.key) == self.value
        own = (
            own
            and all(labels.get(key) == value for key, value in self.also)
            and not any(labels.get(key) == value for key, value in self.before)
        )
        return own or any(other.matches(labels) for other in self.others)

    def divided(self, key: str, value: str) -> list[tuple[bool, Variant]]:
        """Its nodes with the label ``key=value`` (True) and those without; a part that no node can be in is left out.

        Not for a default variant that has nodes of ``others``, which are on either side.
        """
        if key == self.key:
            return [(value == self.value, self)]
        if (key, value) in self.before:
            return [(False, self)]
        return [
            (True, replace(self, also=(*self.also, (key, value)))),
            (False, replace(self, before=(*self.before, (key, value)))),
        ]


# The one variant of an agent that is the same on every node.
EVERY_NODE = Variant()


def variants_of(
    deployment: OpenStackDeployment,
    service: Service,
    apart: Callable[[Variant], bool] | None = None,
    beside: Sequence[str] = (),
) -> list[Variant]:
    """The variants for a service, in the order of the overrides that concern it; the last one is for all other nodes.

    Overrides of which ``apart`` says no belong to the last. ``beside`` are subtrees of other services that concern it too.
    """
    found: list[Variant] = []
    before: tuple[tuple[str, str], ...] = ()
    for label, settings in deployment.node_overrides_of(service, beside):
        key, _, value = label.partition("::")
        found.append(Variant(key, value, before, features=settings.features, conf=settings.conf, beside=settings.beside))
        before = (*before, (key, value))
    if apart:
        while found and not apart(found[-1]):  # nothing comes after it that its nodes would have to be kept from
            found.pop()
        before = tuple((v.key, v.value) for v in found)
    others = tuple(v for v in found if apart and not apart(v))
    return [*(v for v in found if v not in others), Variant(before=before, others=others)]
