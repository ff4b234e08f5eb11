from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackloom.spec.paths import KeyPath, dig, parse, render

DATA = {"spec": {"nodes": {"zone.example.org/a::b": {"features": {}}}, "networks": [{"physnet": "p1"}], "a": {"b": 1}, "a.b": 2}}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "size"), "spec.size"),
        (("spec", "networks", 0, "physnet"), "spec.networks[0].physnet"),
        (("spec", "nodes", "rack::r1"), "spec.nodes.rack::r1"),
        (("spec", "nodes", "zone.example.org/a::b"), 'spec.nodes["zone.example.org/a::b"]'),
        (("a", "with space"), 'a["with space"]'),
        (("", "\x1b[31m"), '[""]["\\u001b[31m"]'),
    ],
)
def test_a_path_reads_well_and_hides_no_control_character(path: KeyPath, text: str) -> None:
    assert render(path) == text


@pytest.mark.parametrize(
    "text",
    [
        "spec.networks.0.physnet",
        "spec.networks[0].physnet",
        "spec.nodes.zone.example.org/a::b.features",
        'spec.nodes["zone.example.org/a::b"].features',
    ],
)
def test_the_keys_that_are_there_decide_how_a_path_is_taken_apart(text: str) -> None:
    assert dig(DATA, *parse(text, DATA)) in ("p1", {})


def test_the_longest_key_that_fits_is_meant() -> None:
    assert parse("spec.a.b", DATA) == ("spec", "a.b")


def test_what_is_not_there_is_split_at_the_dots() -> None:
    assert parse("spec.features.nova.images", DATA) == ("spec", "features", "nova", "images")


@given(st.lists(st.text(min_size=1) | st.integers(0, 99), min_size=1).map(lambda parts: ("spec", *parts)))
def test_what_was_rendered_is_parsed_back_and_nothing_raises(path: KeyPath) -> None:
    back = parse(render(path), None)
    assert render(back) == render(path)


@given(st.text())
def test_any_text_is_some_path(text: str) -> None:
    assert isinstance(parse(text, DATA), tuple)
