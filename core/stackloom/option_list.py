"""What ``stackloom options`` prints: the options of a service's files, as people look for them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from stackloom.errors import Problem, StackloomError
from stackloom.model.conf import ConfFile
from stackloom.model.service import Service
from stackloom.oslo.ini import text
from stackloom.oslo.schema import Option, Schema, schema_of

_WIDTH = 100


def options_text(service: Service, release: str, pattern: str) -> str:
    """The options whose name, or ``group.name``, fits ``pattern`` (as a shell's, and any part of the name will do)."""
    if not service.schemas:
        raise StackloomError(
            Problem(f"nothing says which options {service.name} has", "Its configuration is no file of oslo.config")
        )
    schema = schema_of(service.schemas, release)
    return "\n".join(block for file in service.conf_files.values() for block in _blocks(schema, file, pattern))


def _blocks(schema: Schema, file: ConfFile, pattern: str) -> Iterator[str]:
    known = schema.file(file.schema or file.name)
    for group in sorted(known.groups) if known else ():
        options = known.group(group) if known else {}
        if found := [_entry(name, option) for name, option in sorted(options.items()) if _fits(pattern, group, name)]:
            yield "\n".join([f"{file.name}.conf [{group}]", *found]) + "\n"


def _fits(pattern: str, group: str, name: str) -> bool:
    wanted = pattern.lower() if set("*?[") & set(pattern) else f"*{pattern.lower()}*"
    return fnmatchcase(name.lower(), wanted) or fnmatchcase(f"{group}.{name}".lower(), wanted)


def _entry(name: str, option: Option) -> str:
    head = f"  {name} = {_written(option.default)}".rstrip(" ") if option.default is not None else f"  {name}"
    return "\n".join([f"{head}  ({', '.join(_facts(option))})", *_wrapped(option.help)])


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}:{one}" for key, one in value.items())
    return ",".join(map(text, value)) if isinstance(value, list) else text(value)


def _facts(option: Option) -> Iterator[str]:
    yield f"list of {option.items.type}" if option.items and option.type == "list" else option.type
    if option.multi:
        yield "several values"
    if option.choices:
        yield "one of " + ", ".join(map(repr, option.choices))
    if option.min is not None:
        yield f"at least {option.min:g}"
    if option.max is not None:
        yield f"at most {option.max:g}"
    if option.secret:
        yield "secret"
    if option.leaves is not None:
        yield "will be removed"


def _wrapped(help_: str) -> list[str]:
    return textwrap.wrap(help_, _WIDTH, initial_indent="      ", subsequent_indent="      ", break_long_words=False)
