"""Rendering of oslo.config files.

A file is ``{group: {option: value}}``. A list is written as oslo.config's ListOpt reads it, comma-separated; :class:`Multi`
repeats its option on several lines, as MultiOpt wants it. None leaves an option out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackloom.model.conf import InterfaceAddress

Scalar = str | int | float | bool | InterfaceAddress | None


@dataclass(frozen=True, slots=True)
class Multi:
    """The values of an option that may be given several times (oslo.config's MultiOpt)."""

    values: tuple[Scalar, ...]


Option = Scalar | Sequence[Scalar] | Multi
Sections = Mapping[str, Mapping[str, Option]]


def text(value: Scalar) -> str:
    """A single value as it is written."""
    if isinstance(value, bool):
        return str(value).lower()
    # A value over several lines continues on lines that begin with a space.
    return "" if value is None else str(value).replace("\n", "\n ")


def _lines(name: str, value: Option) -> list[str]:
    match value:
        case None:
            return []
        case Multi(values):
            return [f"{name} = {text(one)}" for one in values]
        case str() | bool() | int() | float() | InterfaceAddress():
            return [f"{name} = {text(value)}".rstrip()]
        case _:
            return [f"{name} = {','.join(map(text, value))}".rstrip()]


def merge(base: Sections, *overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Option]]:
    """``base`` with the options of each of ``overrides`` laid over it. None removes an option."""
    merged = {group: dict(options) for group, options in base.items()}
    for override in overrides:
        for group, options in override.items():
            merged.setdefault(group, {}).update(options)
    return merged


def render(sections: Sections) -> str:
    """The file's text: DEFAULT first, then the groups by name, options by name, so that a diff shows what changed."""
    blocks = []
    for group in sorted(sections, key=lambda g: (g != "DEFAULT", g)):
        lines = [line for name in sorted(sections[group]) for line in _lines(name, sections[group][name])]
        if lines:
            blocks.append("\n".join([f"[{group}]", *lines]) + "\n")
    return "\n".join(blocks)
