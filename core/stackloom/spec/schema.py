"""The JSON Schema of a deployment, for editors: completion, descriptions, and a first check while typing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from stackloom.model.service import Service
from stackloom.spec.nodes import PLACEHOLDER
from stackloom.spec.tree import whole_tree

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(services: Sequence[Service], plugins: Collection[str] = ()) -> dict[str, Any]:
    """The schema of a deployment with these services, the same for the same services on every machine."""
    schema = raw_schema(services, plugins)
    return {
        "$schema": DRAFT,
        "title": "OpenStackDeployment",
        **_tidy(schema),
        "required": ["apiVersion", "kind", "metadata", "spec"],
    }


def raw_schema(services: Sequence[Service], plugins: Collection[str] = ()) -> dict[str, Any]:
    """The schema as pydantic gives it, with the placeholders of :mod:`stackloom.spec.tree`."""
    return whole_tree(sorted(services, key=lambda s: s.name), plugins).model_json_schema(by_alias=True)


def _tidy(node: Any, *, names: bool = False) -> Any:
    """Without titles that repeat the key, defaults that say "absent", and placeholders. ``names``: the keys are not keywords."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: _tidy(value) for key, value in node.items()}
    kept = {k: v for k, v in node.items() if k not in ("title", PLACEHOLDER) and not (k == "default" and v is None)}
    return {k: v if k in ("default", "enum", "const") else _tidy(v, names=k in ("properties", "$defs")) for k, v in kept.items()}
