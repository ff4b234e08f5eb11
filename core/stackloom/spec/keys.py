"""Which keys may stand where: read from the JSON Schema of the whole tree, when a message has to name the nearest one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stackloom.spec.paths import KeyPath


def known_keys(schema: dict[str, Any], path: KeyPath) -> dict[str, list[str]]:
    """The keys that ``schema`` allows in the mapping at ``path``, each with its values where they can be counted."""
    nodes = list(_expanded(schema, schema))
    for part in path:
        nodes = [inner for node in nodes for step in _below(node, part) for inner in _expanded(step, schema)]
    properties = [item for node in nodes for item in node.get("properties", {}).items()]
    return {key: [str(value) for inner in _expanded(kind, schema) for value in inner.get("enum", [])] for key, kind in properties}


def _expanded(node: Any, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The node, or what its references and alternatives lead to."""
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        yield from _expanded(schema["$defs"][node["$ref"].removeprefix("#/$defs/")], schema)
    for choice in ("anyOf", "oneOf", "allOf"):
        for alternative in node.get(choice, []):
            yield from _expanded(alternative, schema)
    yield node


def _below(node: dict[str, Any], part: str | int) -> Iterator[Any]:
    if isinstance(part, int):
        yield node.get("items")
    elif part in node.get("properties", {}):
        yield node["properties"][part]
    else:
        yield from (node.get("additionalProperties"), *node.get("patternProperties", {}).values())
