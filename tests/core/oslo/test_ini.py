from __future__ import annotations

import configparser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackloom.oslo.ini import Multi, merge, render


def test_default_comes_first_then_the_groups_by_name_with_options_by_name():
    text = render({"glance_store": {"b": 1, "a": 2}, "database": {"c": 3}, "DEFAULT": {"z": 4}})
    assert text == "[DEFAULT]\nz = 4\n\n[database]\nc = 3\n\n[glance_store]\na = 2\nb = 1\n"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (True, "o = true"),
        (False, "o = false"),
        (7, "o = 7"),
        (1.5, "o = 1.5"),
        ("a b", "o = a b"),
        ("", "o ="),
        (["a", "b"], "o = a,b"),
        ((1, True), "o = 1,true"),
        ([], "o ="),
        (Multi(("a", "b")), "o = a\no = b"),
        ("first\nsecond", "o = first\n second"),
    ],
)
def test_a_value_is_written_as_oslo_config_reads_it(value: object, line: str):
    assert render({"DEFAULT": {"o": value}}) == f"[DEFAULT]\n{line}\n"


def test_none_leaves_an_option_out_and_an_empty_group_with_it():
    assert render({"DEFAULT": {"a": None, "b": 1}, "cache": {"c": None}, "oslo_policy": {}}) == "[DEFAULT]\nb = 1\n"


def test_overrides_are_laid_over_in_their_order():
    base = {"DEFAULT": {"debug": False, "workers": 2}}
    merged = merge(base, {"DEFAULT": {"debug": True}}, {"DEFAULT": {"workers": None}, "cache": {"enabled": True}})
    assert merged == {"DEFAULT": {"debug": True, "workers": None}, "cache": {"enabled": True}}
    assert base == {"DEFAULT": {"debug": False, "workers": 2}}


names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
sections = st.dictionaries(names, st.dictionaries(names, st.integers() | st.booleans() | names, min_size=1), min_size=1)


@given(sections)
def test_the_text_says_each_option_once_and_does_not_depend_on_the_order(wanted: dict[str, dict[str, object]]):
    text = render(wanted)
    assert text == render({group: dict(reversed(options.items())) for group, options in reversed(wanted.items())})
    parser = configparser.ConfigParser(interpolation=None, default_section="none")
    parser.read_string(text)
    assert {group: set(parser[group]) for group in parser.sections()} == {g: set(options) for g, options in wanted.items()}
