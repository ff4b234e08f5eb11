"""Variants of an agent: which of them a node gets, when ``spec.nodes`` sets some nodes apart.

The overrides stand in the deployment in an order, and a node takes the first that fits its labels. A variant therefore asks for
its own label and for none of those before it. So every node is served by exactly one variant whatever labels it carries, a
variant's name depends on its own label alone, and an override that is added last changes nothing but the default variant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stackloom.names import slug

if TYPE_CHECKING:
    from stackloom.model.service import Service
    from stackloom.spec.deployment import OpenStackDeployment


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant: ``key=value`` is the node label that selects it ("" for all other nodes); ``before`` are the labels that win.

    ``also`` are labels that its nodes must have besides.
    ``features`` is what the operator set for these nodes (``spec.nodes.<label>.features.<service>``), ``conf`` the options
    (``spec.nodes.<label>.services.<type>.<service>.values.conf``).
    """

    key: str = ""
    value: str = ""
    before: tuple[tuple[str, str], ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    features: Any = None
    conf: Mapping[str, Any] = field(default_factory=dict)

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
        wanted = [*([(self.key, self.value)] if self.key else []), *self.also]
        terms: list[dict[str, Any]] = [{"key": key, "operator": "In", "values": [value]} for key, value in wanted]
        others: dict[str, list[str]] = {}
        for key, value in self.before:
            if key != self.key:  # a label has one value: a node with this one's cannot have the other
                others.setdefault(key, []).append(value)
        terms += [{"key": key, "operator": "NotIn", "values": values} for key, values in others.items()]
        if not terms:
            return None
        selector = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with ``labels`` runs it."""
        own = not self.key or labels.get(self.key) == self.value
        return (
            own
            and all(labels.get(key) == value for key, value in self.also)
            and not any(labels.get(key) == value for key, value in self.before)
        )

    def divided(self, key: str, value: str) -> list[tuple[bool, Variant]]:
        """Its nodes with the label ``key=value`` (True) and those without; a part that no node can be in is left out."""
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


def variants_of(deployment: OpenStackDeployment, service: Service) -> list[Variant]:
    """The variants for a service, in the order of the overrides that concern it; the last one is for all other nodes."""
    variants: list[Variant] = []
    before: tuple[tuple[str, str], ...] = ()
    for label, settings in deployment.node_overrides_of(service):
        key, _, value = label.partition("::")
        variants.append(Variant(key, value, before, features=settings.features, conf=settings.conf))
        before = (*before, (key, value))
    return [*variants, Variant(before=before)]
