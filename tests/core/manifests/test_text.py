"""Texts are compared with what cdk8s writes for the same body: Node.js runs here."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stackloom.constructs.component import manifest_text
from stackloom.manifests.text import yaml_text

WORDS = [
    "yes", "No", "on", "OFF", "y", "N", "true", "null", "~", "<<", "", " ", "-", "?", "- a", "a: b", "a:", "a #b", "#a", "@a",
    "`", "'", '"', "it's", 'say "x"', 'both \' and " ', "0", "007", "0o7", "0x1F", "0b1", "1_000", "1e3", "1.5", ".5", "1.",
    ".", "+1", "-1", ".inf", "-.INF", ".nan", "12:30", "12:30:45.5", "2024-01-02", "2024-01-02T03:04:05Z",
    "2024-1-2 3:04:05 +01:00", "a\\b", "%a", "---", "--- a", "...", "=", "*/5 * * * *", "1 0 * * *", "$(A):$(B)", "{a}", "[a]",
    "a, b", "|", ">", "&a", "!a", "\u2603", "\xa0", "a\tb", "\u2028", "\x07", "\ufeff", "a" * 2000, "a ", " a", "1 ", "null ",
    "e5", "1e", "nullify", "10.0.0.0/8", "0777x", "v1", "a\nb", "a\nb\n", "a\n\nb\n", "\na", " a\nb", "a\n", "a\n\n", "a \nb\n",
    "a\n  b\n", "a\n \n", "\n", "# a\nb\n", "%a\n---\nb\n", "a: b\n- c\n",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS, ids=repr)
def test_every_odd_word_is_written_as_cdk8s_writes_it(word: str, stringify: Any):
    body = {"metadata": {"name": word}, "list": [word, {"in": word, word or "empty": [[word]]}]}
    assert manifest_text(body) == stringify(body)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.sampled_from(WORDS), st.text(max_size=12)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["apiVersion", "data", "spec"]), VALUES, max_size=3))
def test_any_body_is_written_as_cdk8s_writes_it(stringify: Any, body: dict[str, Any]):
    text = yaml_text(body)
    assert text is None or text == stringify(body)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["apiVersion", "data", "spec"]), VALUES, min_size=1, max_size=3))
def test_what_is_written_reads_back_as_it_was(body: dict[str, Any]):
    text = yaml_text(body)
    assert text is None or yaml.safe_load(text) == body


def test_ordinary_bodies_need_no_library():
    body = {"kind": "ConfigMap", "data": {"a.conf": "[DEFAULT]\ndebug = true\n", "empty": ""}, "list": [], "size": 1, "on": True}
    assert yaml_text(body) == (
        'kind: ConfigMap\ndata:\n  a.conf: |\n    [DEFAULT]\n    debug = true\n  empty: ""\nlist: []\nsize: 1\n"on": true\n'
    )


@pytest.mark.parametrize("value", [None, 0.5, 2**60, float("inf"), "a\tb", "\x07", " a\nb"])
def test_what_is_out_of_the_ordinary_is_left_to_the_library(value: Any):
    assert yaml_text({"value": value}) is None
