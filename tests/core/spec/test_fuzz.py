"""Valid deployments, mutated at random: the loader gives a deployment or problems, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stackloom.errors import StackloomError
from stackloom.spec.deployment import OpenStackDeployment
from stackloom.spec.loader import disabled_plugins
from stackloom.spec.source import Source, read
from tests.bad_inputs import USUAL, cases, patched, specification_of
from tests.core.spec.written_in_python import CLOUD


@cache
def seeds(table: str) -> list[dict[str, Any]]:
    """A valid deployment, and whatever the tables of bad inputs touch: every part of the tree is in one of them."""
    touched = [
        patched(case.deployment, {"spec": case.row["spec"]}) for case in cases() if case.services == table and "spec" in case.row
    ]
    return [Source.from_model(CLOUD).data, *touched]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
keys = st.text(max_size=6) | st.sampled_from(
    ["enabled", "values", "conf", "value_from", "services", "nova", "a.b", "[0]", "rack::r1"]
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of the tree with each of its keys or indices."""
    inside = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for key, value in inside:
        yield node, key
        yield from places(value)


@st.composite
def mutated(draw: st.DrawFn, table: str) -> dict[str, Any]:
    data: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(seeds(table))))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(data))
        if not found:
            break
        container, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["drop", "replace", "rename", "insert"])):
            case "drop":
                del container[key]
            case "replace":
                container[key] = draw(anything)
            case "rename" if isinstance(container, dict):
                container[draw(keys)] = container.pop(key)
            case _ if isinstance(container, dict):
                container[draw(keys)] = draw(anything)
    return data


def outcome(source: Source, table: str = "sample") -> OpenStackDeployment | StackloomError:
    try:
        return specification_of(table).load(source)
    except StackloomError as error:
        return error


@pytest.mark.parametrize("table", ["sample", "installed"])
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_mutated_deployment_gives_problems_or_a_deployment(table: str, data: st.DataObject) -> None:
    source = Source.from_mapping(data.draw(mutated(table)))
    found = outcome(source, table)
    assert isinstance(disabled_plugins(source), tuple)
    if isinstance(found, StackloomError):
        assert found.problems
        assert all(p.what and p.location and "\n" not in p.path for p in found.problems)
    else:
        assert all(found.features_of(service.features_name) is not None for service in found.services)


@settings(max_examples=50, deadline=None)
@given(mutated("sample"))
def test_so_it_does_as_a_file_in_which_each_problem_has_a_line(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    file = tmp_path_factory.getbasetemp() / "mutated.yaml"
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8", errors="replace")
    found: OpenStackDeployment | StackloomError
    try:
        found = outcome(read(file))
    except StackloomError as error:
        found = error
    if isinstance(found, StackloomError):
        assert all(p.location is not None for p in found.problems)


def test_the_seed_itself_is_valid() -> None:
    assert isinstance(outcome(Source.from_mapping(seeds("sample")[0])), OpenStackDeployment)
    assert isinstance(outcome(Source.from_mapping(USUAL)), StackloomError)


def test_a_file_is_read_as_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(yaml.safe_dump(seeds("sample")[0]), encoding="utf-8")
    assert read(file).data == seeds("sample")[0]
