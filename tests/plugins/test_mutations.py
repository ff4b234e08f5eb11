"""A whole deployment with random damage: it is loaded or refused in words, and never a traceback."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackloom import Problem, StackloomError
from stackloom.spec.loader import load
from stackloom.spec.source import Source
from tests.plugins.cloud import services

EXAMPLE = Path(__file__).parent.parent / "core" / "spec" / "mirantis_example.yaml"
SCALARS = st.none() | st.booleans() | st.integers(-1, 70000) | st.floats(allow_nan=False) | st.text(max_size=12)
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)
KeyPath = tuple[str | int, ...]


@cache
def example() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    return data


def paths(data: Any, path: KeyPath = ()) -> list[KeyPath]:
    """The key paths in ``data``."""
    items = list(data.items()) if isinstance(data, dict) else list(enumerate(data)) if isinstance(data, list) else []
    return [found for key, value in items for found in ((*path, key), *paths(value, (*path, key)))]


def damaged(path: KeyPath, value: Any, *, remove: bool) -> dict[str, Any]:
    data = copy.deepcopy(example())
    node: Any = data["spec"]
    for part in path[:-1]:
        node = node[part]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return data


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(choice=st.data())
def test_random_damage_never_gives_a_traceback(choice: st.DataObject) -> None:
    path = choice.draw(st.sampled_from(paths(example()["spec"])))
    data = damaged(path, choice.draw(JUNK), remove=choice.draw(st.booleans()))
    found: tuple[Problem, ...] = ()
    try:
        load(Source.from_mapping(data), services())
    except StackloomError as error:
        found = error.problems
    assert all(p.what and p.path for p in found)
