from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackloom.names import content_hash, is_dns_label, is_dns_subdomain, slug


@pytest.mark.parametrize("name", ["a", "a-1", "1", "a" * 63])
def test_names_that_services_may_have(name: str):
    assert is_dns_label(name)


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a.b", "a_b", "a" * 64, "a\n", "é"])
def test_names_that_services_may_not_have(name: str):
    assert not is_dns_label(name)


@pytest.mark.parametrize(
    ("name", "good"), [("a.b-c.d", True), ("a" * 253, True), ("a" * 254, False), ("a..b", False), ("a.b.", False)]
)
def test_names_of_objects_may_have_dots(name: str, good: bool):
    assert is_dns_subdomain(name) is good


def test_a_name_that_is_a_label_already_is_left_as_it_is():
    assert slug("rack-1") == "rack-1"


@given(st.text(min_size=1, max_size=80), st.integers(1, 50))
def test_any_text_becomes_a_label_that_is_not_much_longer_than_wished(text: str, limit: int):
    assert is_dns_label(slug(text, limit))
    assert len(slug(text, limit)) <= limit + 7


@given(st.text(max_size=30), st.text(max_size=30))
def test_different_texts_have_different_slugs(one: str, other: str):
    assert (slug(one, 10) == slug(other, 10)) == (one == other)


plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


@given(st.dictionaries(st.text(max_size=3), plain | st.dictionaries(st.text(max_size=3), plain, max_size=3), max_size=4))
def test_the_hash_of_a_mapping_does_not_depend_on_its_order(value: dict[str, object]):
    assert content_hash(value) == content_hash(dict(reversed(value.items())))
    assert content_hash(value, 16).startswith(content_hash(value))


def test_a_hash_is_the_same_under_another_hash_seed():
    program = "from stackloom.names import content_hash; print(content_hash({'b': {'x', }.pop(), 'a': [1, None, 'é']}))"
    command = [sys.executable, "-c", program]
    seeds = ("0", "1")
    printed = {subprocess.run(command, env={"PYTHONHASHSEED": s}, capture_output=True, check=True).stdout for s in seeds}
    assert len(printed) == 1
