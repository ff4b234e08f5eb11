"""Bodies as YAML: the text that cdk8s writes for them, made an order of magnitude faster than any YAML library makes it.

A manifest is plain data, and nearly all of it is words. What is out of the ordinary (control characters, odd white space,
fractions, nothing) is left to cdk8s: for it :func:`yaml_text` returns None. A test holds both to the same bytes.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from stackloom.manifests.workloads import Body

# Characters that only escapes can write, or that readers of YAML 1.1 take for ends of lines; words that some take for tags.
_UNUSUAL = re.compile(r"^(?:<<|=)\Z|[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# What would be something else than a text if it were not in quotes: an indicator first, a comment, the end of a key, ...
_NEEDS_QUOTES = re.compile(r"^[ ,\[\]{}#&*!|>'\"%@`]|^[?-]\Z|^[?-] |: | #|[ :]\Z|^\Z")
# ... or one of the plain values of YAML 1.1: null, truth values, numbers in all bases, times, dates.
_NOT_TEXT = re.compile(
    r"""~ | [Nn]ull | NULL
    | [Yy] | [Yy]es | YES | [Tt]rue | TRUE | [Oo]n | ON
    | [Nn] | [Nn]o | NO | [Ff]alse | FALSE | [Oo]ff | OFF
    | [-+]?0b[01_]+ | [-+]?0x[0-9a-fA-F_]+ | [-+]?[0-9][0-9_]*
    | [-+]?\.(?:inf|Inf|INF) | \.nan | \.NaN | \.NAN
    | [-+]?(?:[0-9][0-9_]*)?(?:\.[0-9_]*)?[eE][-+]?[0-9]+ | [-+]?(?:[0-9][0-9_]*)?\.[0-9_]*
    | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}
      (?:(?:[tT]|[ ]+)[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:[ ]*(?:Z|[-+][012]?[0-9](?::[0-9]{2})?))?)?
    """,
    re.VERBOSE,
)
# Keys that JavaScript moves to the front, or that look like the end of a document.
_ODD_KEY = re.compile(r"[0-9]+\Z|---|\.\.\.")
_LONGEST_KEY = 1000
_LARGEST_NUMBER = 2**53


class _OutOfTheOrdinaryError(Exception):
    """What only the library can write."""


def yaml_text(body: Body) -> str | None:
    """``body`` as the text of a YAML file, or None where that is better left to a library."""
    lines: list[str] = []
    if not body:
        return None
    try:
        _write(body, "", "", lines)
    except _OutOfTheOrdinaryError:
        return None
    lines.append("")
    return "\n".join(lines)


def _write(value: Any, first: str, indent: str, lines: list[str]) -> None:
    """Append the lines of a mapping or list that is not empty, each with ``indent`` before it, but ``first`` before the first."""
    deeper = indent + "  "
    if isinstance(value, dict):
        for key, item in value.items():
            head = first + _key(key)
            first = indent
            if isinstance(item, str):
                text = _block(item, deeper) if "\n" in item else _line(item)
                lines.append(f"{head} {text}")
            elif item and isinstance(item, dict | list):
                lines.append(head)
                _write(item, deeper, deeper, lines)
            else:
                lines.append(head + " " + _scalar(item))
    else:
        for item in value:
            head = first + "- "
            first = indent
            if isinstance(item, str):
                lines.append(head + (_block(item, deeper) if "\n" in item else _line(item)))
            elif item and isinstance(item, dict | list):
                _write(item, head, deeper, lines)
            else:
                lines.append(head + _scalar(item))


def _scalar(value: Any) -> str:
    """A value that is no text, or an empty mapping or list."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < _LARGEST_NUMBER:
        return str(value)
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    raise _OutOfTheOrdinaryError


@lru_cache(maxsize=8192)
def _key(key: Any) -> str:
    """A key with its colon."""
    if not isinstance(key, str) or len(key) > _LONGEST_KEY or "\n" in key or _ODD_KEY.match(key):
        raise _OutOfTheOrdinaryError
    return f"{_line(key)}:"


@lru_cache(maxsize=8192)
def _line(value: str) -> str:
    """A text in one line: in quotes where it needs them."""
    if _UNUSUAL.search(value):
        raise _OutOfTheOrdinaryError
    if not (_NEEDS_QUOTES.search(value) or _NOT_TEXT.fullmatch(value)):
        return value
    if '"' in value and "'" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def _block(value: str, indent: str) -> str:
    """A text in several lines: as it stands, indented."""
    text = value.removesuffix("\n")
    if _UNUSUAL.search(value) or not text or text[0] in " \n" or text[-1] in " \n":
        raise _OutOfTheOrdinaryError
    head = "|" if len(text) < len(value) else "|-"
    return "\n".join([head, *(indent + line if line else "" for line in text.split("\n"))])
