"""``spec.nodes``: what differs on the nodes that have a label."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from stackloom.fields import SpecModel, refuse
from stackloom.names import is_dns_subdomain
from stackloom.spec.values import NodeChart

PLACEHOLDER = "x-placeholder"
_NAME = re.compile(r"[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")


def _node_label(value: str) -> str:
    label, separator, content = value.partition("::")
    if not separator or not label:
        refuse(f"{value!r} does not name a node label", 'Write "<label>::<value>", like "rack::r1"')
    prefix, slash, name = label.rpartition("/")
    if _NAME.fullmatch(name) is None or (slash and not is_dns_subdomain(prefix)):
        refuse(
            f"{label!r} is not the name of a label",
            "Kubernetes takes up to 63 letters, digits, '-', '_' and '.', with a domain and '/' before them",
        )
    if content and _NAME.fullmatch(content) is None:
        refuse(
            f"{content!r} is not the value of a label",
            "Kubernetes takes up to 63 letters, digits, '-', '_' and '.', no other first or last than a letter or digit",
        )
    return value


NodeLabel = Annotated[str, AfterValidator(_node_label)]
"""A label of a node with its value: ``rack::r1``."""


class NodeOverride(SpecModel):
    """What differs on the nodes that have the label."""

    features: dict[str, Any] = Field(default_factory=dict)
    """Features of services, by the name of the service's subtree."""
    services: dict[str, dict[str, NodeChart]] = Field(default_factory=dict)
    """Values of services, by type and name, as in ``spec.services``."""
