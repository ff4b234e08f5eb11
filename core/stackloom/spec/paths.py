"""Key paths: as tuples inside the program, as text for people and in the rules of plugins.

``spec.features.neutron.external_networks[0].physnet``; a key that holds dots or brackets stands in quotes and brackets:
``spec.nodes["topology.kubernetes.io/zone::a"].features``.
"""

from __future__ import annotations

import json
import re
from typing import Any

KeyPath = tuple[str | int, ...]
_PLAIN = re.compile(r"[^\s.\[\]\"']+")
_STEP = re.compile(r"""\[(?P<index>\d+)\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]|\.?(?P<name>[^.\[\]]+)""")


def render(path: KeyPath) -> str:
    """The path as people read it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part) and part.isprintable():
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=not part.isprintable())}]"
    return text


def parse(text: str, data: Any) -> KeyPath:
    """The tuple for a path as text. Where ``data`` has the keys, they decide: a key with dots needs no quotes then."""
    path: list[str | int] = []
    rest, node = text, data
    while rest:
        step = _own_key(rest, node) or _STEP.match(rest)
        if step is None:
            return (*path, rest)
        if isinstance(step, str):
            part: str | int = step
            rest = rest.removeprefix(".")[len(step) :]
        else:
            part = _part(step)
            rest = rest[step.end() :]
        if isinstance(node, list) and isinstance(part, str) and part.isdecimal():
            part = int(part)
        path.append(part)
        node = _child(node, part)
    return tuple(path)


def _own_key(rest: str, node: Any) -> str | None:
    """The longest key of ``node`` with which ``rest`` begins."""
    if not isinstance(node, dict):
        return None
    rest = rest.removeprefix(".")
    fits = [key for key in node if key and rest.startswith(key) and (len(rest) == len(key) or rest[len(key)] in ".[")]
    return max(fits, key=len, default=None)


def _part(step: re.Match[str]) -> str | int:
    if step["index"]:
        return int(step["index"])
    return str(json.loads(step["quoted"])) if step["quoted"] else step["name"]


def _child(node: Any, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def dig(data: Any, *path: str | int) -> Any:
    """What stands at a path; None where nothing does or the data has another shape."""
    for part in path:
        data = _child(data, part)
    return data
