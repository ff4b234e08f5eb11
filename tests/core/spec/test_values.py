from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from stackloom.spec.values import ImageReference, quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", "0.5"), ("2", "2"), ("1.5", "1.5"), ("1k", "1000"), ("1Ki", "1024"), ("2Gi", "2147483648"), ("3n", "3e-9")],
)
def test_a_quantity_is_a_number(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)


@given(st.text(max_size=6))
def test_what_is_no_quantity_is_a_value_error(text: str) -> None:
    try:
        assert quantity(text) >= 0
    except ValueError:
        assert text[:1] not in {*"123456789"} or not text.isascii() or not text.isdecimal()


@pytest.mark.parametrize(
    "name",
    [
        "a:1",
        "quay.io/a/b:2026.1-ubuntu_noble",
        "localhost:5000/a@sha256:" + "a" * 64,
        "registry.example.org/a/b-c__d:x@sha256:" + "0" * 64,
    ],
)
def test_an_image_is_named_with_a_tag_or_a_digest(name: str) -> None:
    assert TypeAdapter(ImageReference).validate_python(name) == name


@pytest.mark.parametrize("name", ["", "a", "localhost:5000/a", "A:1", "a:", "a:1:2", "a/b/:1", "a@sha256:12", "-a:1", "a b:1"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ImageReference).validate_python(name)
