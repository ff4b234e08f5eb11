"""The reference of the specification in Markdown: every field with its type, default and meaning, from the models."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stackloom.model.service import Service
from stackloom.spec.nodes import PLACEHOLDER
from stackloom.spec.schema import raw_schema

_INTRODUCTION = """\
# The specification

Every key that a `deployment.yaml` may have. Generated from the models: edit those, not this page.

A key that is not listed is refused. *Required* keys have no default; where a mapping is left out, its keys take their defaults.
`<...>` stands for a name of your own or one of several; `[]` for each entry of a list.
"""
_SIMPLE = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "nothing"}


@dataclass(frozen=True, slots=True)
class _Row:
    path: str
    kind: str
    default: str
    meaning: str

    def __str__(self) -> str:
        cells = (f"`{self.path}`", self.kind, self.default, self.meaning)
        return "| " + " | ".join(" ".join(cell.split()).replace("``", "`").replace("|", "\\|") for cell in cells) + " |"


def reference(services: Sequence[Service], plugins: Collection[str] = ()) -> str:
    """The page: one table for each key below ``spec`` and ``spec.features``."""
    writer = _Writer(raw_schema(services, plugins))
    sections = []
    for title, meaning, rows in writer.sections():
        table = "\n".join(["| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |", *map(str, rows)])
        sections.append("\n\n".join(filter(None, [f"## {title}", meaning.replace("``", "`"), table])))
    return "\n\n".join([_INTRODUCTION.strip(), *sections]) + "\n"


class _Writer:
    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema

    def sections(self) -> Iterator[tuple[str, str, list[_Row]]]:
        """Title, meaning and rows: the head of the file, the single keys of each level, and a section for each mapping."""
        yield from self._level("", "The file", ("spec",))
        yield from self._level("spec", "spec", ("features",))
        yield from self._level("spec.features", "spec.features", ())

    def _level(self, path: str, title: str, inner: tuple[str, ...]) -> Iterator[tuple[str, str, list[_Row]]]:
        node = self._at(path)
        single = {key: value for key, value in self._properties(node) if key in inner or not self._is_tree(value)}
        rows = [self._row(path, key, value, required=key in node.get("required", [])) for key, value in single.items()]
        yield title, _meaning(node), rows
        for key, value in self._properties(node):
            if key not in single:
                where = f"{path}.{key}" if path else key
                inside = self._resolved(value) | {k: v for k, v in value.items() if k == PLACEHOLDER}
                yield where, value.get("description") or _meaning(inside), list(self._rows(where, inside))

    def _at(self, path: str) -> dict[str, Any]:
        node = self._schema
        for key in filter(None, path.split(".")):
            node = self._resolved(node["properties"][key])
        return node

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        """The node itself, or what it refers to; of alternatives the one that is a mapping."""
        if "$ref" in node:
            found: dict[str, Any] = self._schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
            return self._resolved(found)
        for alternative in node.get("anyOf", []):
            if self._is_tree(alternative):
                return self._resolved(alternative)
        return node

    def _is_tree(self, node: dict[str, Any]) -> bool:
        """Whether keys of its own are told of what stands there; a reference to a Secret is told as one thing."""
        found = self._resolved(node)
        if found.get("title") == "ValueFrom":
            return False
        inner = (_of_any_key(found), found.get("items"))
        return bool(found.get("properties")) or any(isinstance(n, dict) and self._is_tree(n) for n in inner)

    def _properties(self, node: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        return list(node.get("properties", {}).items())

    def _row(self, path: str, key: str, value: dict[str, Any], *, required: bool) -> _Row:
        meaning = value.get("description") or _meaning(self._resolved(value))
        return _Row(f"{path}.{key}" if path else key, self._kind(value), "*required*" if required else _default(value), meaning)

    def _rows(self, path: str, node: dict[str, Any]) -> Iterator[_Row]:
        """A row for each key below ``path``. Keys that all mean the same are told once."""
        placeholder = node.get(PLACEHOLDER)
        if placeholder and node.get("properties"):
            yield from self._rows_of_any(
                f"{path}.<{placeholder}>", [self._resolved(n) for n in node["properties"].values()], node["properties"]
            )
            return
        for keys, value in _grouped(self._properties(node)):
            key = keys[0] if len(keys) == 1 else "<service>"
            row = self._row(path, key, value, required=key in node.get("required", []))
            yield row if len(keys) == 1 else replace(row, meaning=f"{row.meaning} {_one_of(keys)}")
            if self._is_tree(value):
                yield from self._rows(row.path, self._resolved(value))
        for inner, sign in ((_of_any_key(node), f".<{placeholder or 'name'}>"), (node.get("items"), "[]")):
            if isinstance(inner, dict) and self._is_tree(inner):
                yield from self._rows(f"{path}{sign}", self._resolved(inner))

    def _rows_of_any(self, path: str, nodes: Sequence[dict[str, Any]], names: Iterable[str]) -> Iterator[_Row]:
        """Rows for what stands below any of several keys of one meaning; their own keys may differ."""
        yield _Row(path, "mapping", "", _one_of(names))
        placeholders = {node.get(PLACEHOLDER) for node in nodes}
        if placeholders != {None}:
            inner = {key: self._resolved(value) for node in nodes for key, value in self._properties(node)}
            yield from self._rows_of_any(f"{path}.<{placeholders.pop()}>", list(inner.values()), sorted(inner))
        else:
            yield from self._rows(path, nodes[0])

    def _kind(self, node: dict[str, Any]) -> str:
        if "anyOf" in node:
            kinds = dict.fromkeys(self._kind(choice) for choice in node["anyOf"] if choice.get("type") != "null")
            return " or ".join(kinds)
        if "$ref" in node:
            found = self._resolved(node)
            return "reference to a Secret" if found.get("title") == "ValueFrom" else self._kind(found)
        if "const" in node or "enum" in node:
            return ", ".join(f"`{json.dumps(v) if not isinstance(v, str) else v}`" for v in node.get("enum", [node.get("const")]))
        if node.get("type") == "array":
            return f"list of {self._kind(node.get('items', {}))}"
        if node.get("type") == "object":
            inner = _of_any_key(node)
            plain = isinstance(inner, dict) and not self._is_tree(node)
            return f"mapping of {self._kind(inner)}" if plain and isinstance(inner, dict) else "mapping"
        return _SIMPLE.get(node.get("type", ""), "anything") + _range(node)


def _grouped(properties: Sequence[tuple[str, dict[str, Any]]]) -> list[tuple[list[str], dict[str, Any]]]:
    """Keys with the same schema and meaning, together; a key that stands alone, alone."""
    groups: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for key, value in properties:
        same = json.dumps({k: v for k, v in value.items() if k != "title"}, sort_keys=True)
        groups.setdefault(same if "description" in value else key, ([], value))[0].append(key)
    return list(groups.values())


def _range(node: dict[str, Any]) -> str:
    low, high = node.get("minimum", node.get("exclusiveMinimum")), node.get("maximum", node.get("exclusiveMaximum"))
    if low is None and high is None:
        return ""
    if high is None:
        return f" above {low}" if "exclusiveMinimum" in node else f" from {low}"
    return f" from {low} to {high}"


def _default(node: dict[str, Any]) -> str:
    value = node.get("default")
    if value is None or isinstance(value, dict) or value == "":
        return ""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _of_any_key(node: dict[str, Any]) -> Any:
    """The schema of the values under keys of the operator's own; None or False where there are no such keys."""
    return next(iter(node.get("patternProperties", {}).values()), node.get("additionalProperties"))


def _one_of(names: Iterable[str]) -> str:
    return f"One of {', '.join(f'`{name}`' for name in names)}."


def _meaning(node: dict[str, Any]) -> str:
    return str(node.get("description", "")).partition("\n")[0]
