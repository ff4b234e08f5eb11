from __future__ import annotations

import pytest

from stackloom.spec.scalars import plain


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("yes", True),
        ("Off", False),
        ("TRUE", True),
        ("0", 0),
        ("-3", -3),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0b101", 5),
        ("0o17", 15),
        ("0644", 420),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
    ],
)
def test_a_scalar_means_what_kubernetes_reads(text: str, meaning: object) -> None:
    assert plain(text) == meaning
    assert type(plain(text)) is type(meaning)


@pytest.mark.parametrize(
    "text", ["2024-01-01", "12:30", "400:59", "08", "yEs", "y", "1.2.3", ".inf", ".nan", "9e999", "0x", "_", "-", "1" * 5000]
)
def test_a_scalar_that_other_readers_twist_stays_text(text: str) -> None:
    assert plain(text) == text
