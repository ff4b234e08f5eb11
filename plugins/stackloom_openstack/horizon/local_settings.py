"""local_settings.py, the configuration of Horizon: a module of Python, written of values.

Settings are read in sections, each with a word on what it is for. What is no value but code is an :class:`Expression`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Settings = Mapping[str, Any]
WIDTH = 90

_HEAD = '''\
"""Settings of the dashboard."""

import os
import sys
from importlib import import_module as _import_module

# What Horizon has set before it reads this file: its defaults, and more.
_settings = sys.modules["openstack_dashboard.settings"]


def _module(name):
    # Horizon would take a failed import for a file of settings that is not there, and start without it.
    try:
        return _import_module(name)
    except ImportError as error:
        raise RuntimeError(f"the image of the dashboard lacks {name}") from error


def _inside(package, path):
    return os.path.join(_module(package).__path__[0], path)

'''


class Expression(str):
    """A piece of Python that stands as it is, where others are written as values."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Itself."""
        return str(self)


@dataclass(frozen=True, slots=True)
class LaidOver:
    """A setting that is a mapping: ``base``, which is an expression, and what differs."""

    base: Expression
    changed: Mapping[str, Any]


def laid_over(name: str, changed: Mapping[str, Any]) -> LaidOver:
    """A setting of this name as Horizon has it, and what differs."""
    return LaidOver(Expression(f"_settings.{name}"), changed)


def variable(name: str) -> Expression:
    """The value of a variable of the environment, which must be there."""
    return Expression(f"os.environ[{name!r}]")


def module(sections: Mapping[str, Settings], statements: Mapping[str, str] | None = None) -> str:
    """The module: ``sections`` of settings by what they are for, and ``statements`` by why they stand there, before them."""
    blocks = [_HEAD]
    blocks += [f"# {why}\n{code}\n" for why, code in (statements or {}).items()]
    blocks += [
        f"# {title}\n" + "".join(f"{name} = {written(value)}\n" for name, value in settings.items())
        for title, settings in sections.items()
        if settings
    ]
    return "\n".join(blocks)


def written(value: Any, indent: str = "") -> str:
    """A value as Python has it: what is short in one line, and otherwise a line for each of its parts."""
    deeper = indent + "    "
    match value:
        case LaidOver():
            parts, brackets = [f"**{value.base!r}", *_items(value.changed, deeper)], "{}"
        case dict():
            parts, brackets = _items(value, deeper), "{}"
        case list():
            parts, brackets = [written(item, deeper) for item in value], "[]"
        case tuple():
            parts, brackets = [written(item, deeper) for item in value], "()"
        case _:
            return repr(value)
    comma = "," if isinstance(value, tuple) and len(parts) == 1 else ""
    short = f"{brackets[0]}{', '.join(parts)}{comma}{brackets[1]}"
    if "\n" not in short and len(indent) + len(short) < WIDTH:
        return short
    return "\n".join([brackets[0], *(f"{deeper}{part}," for part in parts), indent + brackets[1]])


def _items(mapping: Mapping[str, Any], indent: str) -> list[str]:
    return [f"{key!r}: {written(item, indent)}" for key, item in mapping.items()]
