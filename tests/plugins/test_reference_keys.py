"""The models know every key of the reference, and say what each means."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from stackloom.spec.keys import known_keys
from stackloom.spec.tree import subtree_models, whole_tree
from tests.plugins.cloud import services

KEYS: dict[str, list[str]] = yaml.safe_load((Path(__file__).parent / "reference_keys.yaml").read_text(encoding="utf-8"))


@cache
def schema() -> dict[str, Any]:
    return whole_tree(services()).model_json_schema(by_alias=True)


@pytest.mark.parametrize("subtree", KEYS)
def test_every_key_of_the_reference_is_known(subtree: str) -> None:
    unknown = []
    for key in KEYS[subtree]:
        path = tuple(0 if part == "0" else part for part in f"{subtree}.{key}".split("."))
        if path[-1] not in known_keys(schema(), path[:-1]):
            unknown.append(key)
    assert unknown == []


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            yield from models(inner)


def _models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for argument in getattr(kind, "__args__", ()):
        yield from _models_in(argument)


@pytest.mark.parametrize("kind", ["features", "node_features"])
def test_every_key_is_documented(kind: str) -> None:
    found = [m for model in subtree_models(services(), kind).values() for m in models(model)]
    assert len(found) > 10
    assert [f"{m.__name__}.{name}" for m in found for name, f in m.model_fields.items() if not f.description] == []
    assert [m.__name__ for m in found if not m.__doc__] == []
