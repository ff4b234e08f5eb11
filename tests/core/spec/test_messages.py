from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from stackloom.fields import NonEmpty, SpecModel, ValueFrom
from stackloom.spec.messages import Finding, findings
from stackloom.spec.paths import render


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("an odd number")
    return value


class Model(SpecModel):
    """One field for each kind of mistake."""

    text: NonEmpty = "x"
    number: Annotated[int, Field(ge=2, le=9)] = 2
    even: Annotated[int, AfterValidator(_even)] = 2
    ratio: float = 1
    one_of: Literal["red", "green"] = "red"
    only: Literal["red"] = "red"
    either: str | ValueFrom | None = None
    many: list[int | str] = Field(default_factory=list)
    few: Annotated[list[int], Field(max_length=1)] = Field(default_factory=list)
    by_name: dict[str, ValueFrom] = Field(default_factory=dict)


def told(data: Any) -> list[str]:
    with pytest.raises(ValidationError) as error:
        TypeAdapter(Model).validate_python(data)
    known = dict.fromkeys(Model.model_fields, ())
    found: list[Finding] = list(findings(error.value.errors(), data, lambda _: known))
    return [f"{render(f.path)}: {f.problem}" for f in found]


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        ({"text": 5}, ["text: must be text, not a number. Put it in quotes"]),
        ({"text": " "}, ["text: must not be empty. Write a value, or leave the key out"]),
        ({"text": ["a"]}, ["text: must be text, not a list"]),
        ({"number": 1}, ["number: 1 must be at least 2"]),
        ({"number": 10}, ["number: 10 must be at most 9"]),
        ({"number": True}, ["number: must be a whole number, not true"]),
        ({"number": "3"}, ["number: must be a whole number, not text. Write it without quotes"]),
        ({"even": 3}, ["even: an odd number"]),
        ({"ratio": None}, ["ratio: must be a number, not nothing. Write a value after the colon, or leave the key out"]),
        ({"one_of": "gren"}, ["one_of: 'gren' is not one of red, green. Did you mean 'green'?"]),
        ({"only": "blue"}, ["only: 'blue' is not red. It is the only value that is supported"]),
        ({"either": 5}, ["either: must be text or a mapping, not a number"]),
        ({"either": {"value_from": 5}}, ["either.value_from: must be a mapping, not a number"]),
        (
            {"many": [1, "a", None]},
            ["many[2]: must be a whole number or text, not nothing. Write a value after the colon, or leave the key out"],
        ),
        ({"many": "a"}, ["many: must be a list, not text. Write it in brackets: [a]"]),
        ({"few": [1, 2]}, ["few: holds 2 entries, and at most 1 are allowed"]),
        ({"by_name": {"a": {}}}, ["by_name.a.value_from: is missing. Add it"]),
        ({"numbre": 3}, ["numbre: is not a known key. Did you mean 'number'?"]),
        ([], [": must be a mapping, not a list"]),
    ],
)
def test_each_mistake_is_told_in_words(data: Any, messages: list[str]) -> None:
    assert told(data) == messages
