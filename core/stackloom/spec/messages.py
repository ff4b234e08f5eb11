"""From pydantic's errors to problems that an operator understands: what was found, what is wanted, the nearest name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import ErrorDetails

from stackloom.errors import Problem, did_you_mean
from stackloom.spec.paths import KeyPath

KnownKeys = Callable[[KeyPath], Mapping[str, Sequence[str]]]
_NOTHING = object()
_WANTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_BOUNDS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_long": "is longer than {max_length} characters",
    "too_long": "holds {actual_length} entries, and at most {max_length} are allowed",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with the key path it is about. ``at_key``: it is the key that is wrong, not its value."""

    path: KeyPath
    problem: Problem
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class _Error:
    """An error with its place in the data, and the branches of unions (with their own places) that lead to it."""

    path: KeyPath
    branches: tuple[tuple[KeyPath, str], ...]
    kind: str
    context: Mapping[str, Any]
    at_key: bool
    wanted: tuple[str, ...] = ()

    @property
    def mismatch(self) -> bool:
        """Whether the value is of another kind than wanted, as opposed to a wrong value of the right kind."""
        return bool(self.wanted)


def findings(errors: Sequence[ErrorDetails], data: Any, known: KnownKeys) -> Iterator[Finding]:
    """What pydantic found in ``data``.

    ``known`` tells the keys that may stand in the mapping at a path, each with its values where they can be counted.
    """
    for error in _settled([_placed(error, data) for error in errors]):
        value = _at(data, error.path)
        yield Finding(error.path, _problem(error, value, known), error.at_key or error.kind == "extra_forbidden")


def _placed(error: ErrorDetails, data: Any) -> _Error:
    path: KeyPath = ()
    branches: list[tuple[KeyPath, str]] = []
    for index, part in enumerate(error["loc"]):
        lacking = error["type"] == "missing" and index == len(error["loc"]) - 1
        if lacking or _at(data, (*path, part)) is not _NOTHING:
            path = (*path, part)
        elif part != "[key]":  # a branch of a union, named by pydantic
            branches.append((path, str(part)))
    wanted = (_WANTED[error["type"]],) if error["type"] in _WANTED else ()
    return _Error(path, tuple(branches), error["type"], error.get("ctx", {}), "[key]" in error["loc"], wanted)


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not in_list and not (isinstance(data, dict) and part in data):
            return _NOTHING
        data = data[part]
    return data


def _settled(errors: Sequence[_Error]) -> list[_Error]:
    """The errors without branches of unions: of each union only the branch that the operator seems to have meant."""
    result = [error for error in errors if not error.branches]
    unions: dict[KeyPath, dict[str, list[_Error]]] = {}
    for error in errors:
        if error.branches:
            (path, branch), *deeper = error.branches
            unions.setdefault(path, {}).setdefault(branch, []).append(replace(error, branches=tuple(deeper)))
    for path, by_branch in unions.items():
        branches = [_settled(found) for found in by_branch.values()]
        meant = [found for found in branches if not (len(found) == 1 and found[0].mismatch and found[0].path == path)]
        if meant:
            simplest = min(meant, key=len)
            result += simplest
        else:
            wanted = tuple(dict.fromkeys(word for found in branches for word in found[0].wanted))
            result.append(replace(branches[0][0], wanted=wanted))
    return result


def _problem(error: _Error, value: Any, known: KnownKeys) -> Problem:
    if error.mismatch:
        return Problem(f"must be {_either(error.wanted)}, not {_described(value)}", _conversion(error.wanted, value))
    if error.kind in ("missing", "extra_forbidden"):
        return _key_problem(error, known(error.path[:-1]))
    if error.kind in _BOUNDS:
        subject = f"{value} " if isinstance(value, int | float) else ""
        return Problem(subject + _BOUNDS[error.kind].format(**error.context))
    return _value_problem(error, value)


def _key_problem(error: _Error, known: Mapping[str, Sequence[str]]) -> Problem:
    key = str(error.path[-1])
    if error.kind == "extra_forbidden":
        return Problem("is not a known key", did_you_mean(key, known))
    choices = known.get(key, ())
    return Problem("is missing", f"Add it: one of {', '.join(choices)}" if len(choices) > 1 else "Add it")


def _value_problem(error: _Error, value: Any) -> Problem:
    context = error.context
    if error.kind == "refused":
        return Problem(context["what"], context["hint"])
    if error.kind == "literal_error":
        return _not_one_of(value, re.findall(r"'([^']*)'", context["expected"]) or [context["expected"]])
    if error.kind.endswith("_too_short") or error.kind == "too_short" or not str(value).strip():
        return Problem("must not be empty", "Write a value, or leave the key out")
    if error.kind == "string_pattern_mismatch":
        return Problem(f"{_shown(value)} does not match {context['pattern']}")
    return Problem(str(context["error"]) if "error" in context else f"cannot be used here ({error.kind.replace('_', ' ')})")


def _not_one_of(value: Any, allowed: Sequence[str]) -> Problem:
    if len(allowed) == 1:
        return Problem(f"{_shown(value)} is not {allowed[0]}", "It is the only value that is supported")
    close = did_you_mean(value, allowed) if isinstance(value, str) else ""
    return Problem(f"{_shown(value)} is not one of {', '.join(allowed)}", close if close.startswith("Did") else "")


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}...{text[-1]}"


def _described(value: Any) -> str:
    if value is None or value is _NOTHING:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number" if isinstance(value, int) else "a number with a fraction"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    return "text" if isinstance(value, str) else f"a Python {type(value).__name__}"


def _conversion(wanted: Sequence[str], value: Any) -> str:
    """How to mend a value of the wrong kind, where that is plain to see."""
    if value is None or value is _NOTHING:
        return "Write a value after the colon, or leave the key out"
    if wanted == ("text",) and isinstance(value, bool | int | float):
        return "Put it in quotes"
    if isinstance(value, str) and value in ("true", "false") and "true or false" in wanted:
        return "Write it without quotes"
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value) and ("a whole number" in wanted or "a number" in wanted):
        return "Write it without quotes"
    if "a list" in wanted and not isinstance(value, list | dict):
        return (
            f"Write it in brackets: [{value}]"
            if isinstance(value, str | int) and len(str(value)) < 40
            else "Write it in brackets"
        )
    return ""
