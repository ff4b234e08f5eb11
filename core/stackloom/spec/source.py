"""Reading a file of YAML into plain data, with the place of every key and value.

What YAML can do beyond plain data (anchors, tags, several documents, keys that are no text) is refused with a hint, because a
deployment is read by people in a pull request and by Kubernetes, and both should see what it says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from stackloom.errors import Location, Problem, StackloomError
from stackloom.spec.paths import KeyPath, render
from stackloom.spec.scalars import plain

LIMIT = 1024 * 1024
DEPTH = 64
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WRITE_OUT = "Write the value out where it is meant"


@dataclass(frozen=True, slots=True)
class Source:
    """The content of a deployment as plain data, and where each part of it stands."""

    file: str
    data: dict[str, Any]
    values: Mapping[KeyPath, Location] = field(default_factory=dict)
    keys: Mapping[KeyPath, Location] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, data: dict[str, Any], file: str = "main.py") -> Source:
        """Data that was made in Python: all that is known of its place is the file."""
        return cls(file, data)

    @classmethod
    def from_model(cls, deployment: BaseModel, file: str = "main.py") -> Source:
        """A deployment that was written in Python with the typed models: what was said in it, and nothing of their defaults."""
        whole = deployment.model_dump(mode="json", by_alias=True, include={"api_version", "kind"})
        return cls(file, whole | deployment.model_dump(mode="json", by_alias=True, exclude_unset=True))

    def locate(self, path: KeyPath, *, key: bool = False) -> Location:
        """Where the value at ``path`` stands (with ``key``: its key), or the key of the nearest thing around it that is there."""
        if path in self.values and not (key and path in self.keys):
            return self.values[path]
        for length in range(len(path), 0, -1):
            if path[:length] in self.keys:
                return self.keys[path[:length]]
            if path[:length] in self.values:
                return self.values[path[:length]]
        return self.values.get((), Location(self.file))


def read(path: Path) -> Source:
    """Read a file. Raises StackloomError with all that is wrong with it as YAML, and nothing else, whatever its bytes."""
    return _Reader(str(path)).source(_text(path))


def _text(path: Path) -> str:
    def fail(what: str, hint: str = "", line: int = 0, column: int = 0) -> StackloomError:
        return StackloomError(Problem(what, hint, location=Location(str(path), line, column)))

    try:
        with path.open("rb") as stream:
            raw = stream.read(LIMIT + 1)
    except FileNotFoundError:
        raise fail("there is no such file", "Write a deployment there, or name another file") from None
    except IsADirectoryError:
        raise fail("is a directory, and a file is wanted", "Name the file in it") from None
    except (OSError, ValueError) as error:
        raise fail(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > LIMIT:
        raise fail(f"is larger than {LIMIT // 1024} KiB, and no deployment is", "Is this the right file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail("is not UTF-8 text", "Save the file as UTF-8", raw.count(b"\n", 0, error.start) + 1) from None
    found = _UNPRINTABLE.search(text)
    if found:
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        raise fail(f"holds the control character U+{ord(found[0]):04X}", "Remove it", line, column)
    return text


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read. ``key`` is the mapping's key whose value comes next."""

    content: dict[str, Any] | list[Any]
    path: KeyPath
    key: str | None = None


class _Reader:
    """Builds data from the parser's events with a stack of its own: no depth of nesting can exhaust the interpreter's."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[_Open] = []
        self._documents: list[Any] = []
        self._values: dict[KeyPath, Location] = {}
        self._keys: dict[KeyPath, Location] = {}
        self._problems: list[Problem] = []

    def source(self, text: str) -> Source:
        """The whole text. Raises StackloomError where it is other than one mapping of plain data."""
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            reason = ", ".join(part for part in (error.context, error.problem) if part)
            self._refuse(f"is not YAML: {reason}", "Look at the indentation, quotes and brackets there", error.problem_mark)
        except yaml.YAMLError as error:
            self._refuse(f"is not YAML: {' '.join(str(error).split())}", "", None)
        if not self._problems and (not self._documents or self._documents == [None]):
            self._refuse("is empty", "Write an OpenStackDeployment into it: apiVersion, kind, metadata, spec", None)
        if self._problems:
            raise StackloomError(self._problems)
        data = self._documents[0]
        if not isinstance(data, dict):
            what = f"holds {'a list' if isinstance(data, list) else 'a single value'} where a mapping is wanted"
            hint = "Begin with the keys apiVersion, kind, metadata and spec"
            raise StackloomError(Problem(what, hint, location=self._values[()]))
        return Source(self._file, data, self._values, self._keys)

    def _refuse(self, what: str, hint: str, mark: Any, path: KeyPath = ()) -> None:
        self._problems.append(Problem(what, hint, render(path), self._at(mark)))

    def _at(self, mark: Any) -> Location:
        return Location(self._file, mark.line + 1, mark.column + 1) if mark else Location(self._file)

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent) and self._documents:
            self._refuse("a second document begins here", "Keep one deployment in a file", event.start_mark)
            raise StackloomError(self._problems)
        if isinstance(event, yaml.CollectionEndEvent):
            done = self._open.pop()
            self._finish(done.content)
        elif isinstance(event, yaml.NodeEvent):
            self._take_node(event)

    def _take_node(self, event: Any) -> None:
        mark, within = event.start_mark, self._open[-1] if self._open else None
        is_key = within is not None and isinstance(within.content, dict) and within.key is None
        path = () if within is None else within.path if is_key else self._path(within)
        if event.anchor is not None:
            sign, word = ("*", "alias") if isinstance(event, yaml.AliasEvent) else ("&", "anchor")
            self._refuse(f"the {word} {sign}{event.anchor} makes the reader look elsewhere", _WRITE_OUT, mark, path)
        elif getattr(event, "tag", None) is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(f"the tag {tag} is not read", "Leave it out; quotes make text of a value", mark, path)
        if is_key and within is not None:
            self._take_key(event, within)
            return
        self._values[path] = self._at(mark)
        self._begin(event, path)

    def _path(self, within: _Open) -> KeyPath:
        return (*within.path, len(within.content) if within.key is None else within.key)

    def _begin(self, event: Any, path: KeyPath) -> None:
        """Take a value: of a mapping or list only its beginning."""
        if isinstance(event, yaml.ScalarEvent):
            self._check_text(event, path)
            self._finish(plain(event.value) if event.implicit[0] else event.value)
        elif isinstance(event, yaml.AliasEvent):
            self._finish(None)
        else:
            if len(self._open) == DEPTH:
                self._refuse(f"is nested deeper than {DEPTH} levels", "No deployment needs that", event.start_mark)
                raise StackloomError(self._problems)
            self._open.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], path))

    def _finish(self, value: Any) -> None:
        """Put a whole value where it belongs."""
        if not self._open:
            self._documents.append(value)
            return
        within = self._open[-1]
        if isinstance(within.content, list):
            within.content.append(value)
        elif within.key is None:
            within.key = ""  # the value was a mapping or a list in the place of a key; this is refused already
        else:
            within.content[within.key] = value
            within.key = None

    def _take_key(self, event: Any, within: _Open) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            hint = "Put text that begins with a brace or a bracket in quotes; a template must be rendered first"
            self._refuse("a key must be text", hint, event.start_mark, within.path)
            self._begin(event, (*within.path, ""))
            return
        key, mark = event.value, event.start_mark
        path = (*within.path, key)
        self._check_text(event, path)
        if event.implicit[0] and key == "<<":
            self._refuse("the merge key << makes the reader look elsewhere", "Write the merged keys out", mark, within.path)
        elif event.implicit[0] and not isinstance(plain(key), str):
            meaning = {bool: "true or false", type(None): "nothing"}.get(type(plain(key)), "a number")
            self._refuse(
                f"the key {key or 'before the colon'} means {meaning} in YAML", f'Put it in quotes: "{key}"', mark, within.path
            )
        if key in within.content:
            first = self._keys[path].line
            self._refuse(f"the key stands here twice, first in line {first}", "Keep one of them", mark, path)
        self._keys.setdefault(path, self._at(mark))
        within.key = key

    def _check_text(self, event: Any, path: KeyPath) -> None:
        found = _UNPRINTABLE.search(event.value)
        if found:
            self._refuse(
                f"the text holds the control character U+{ord(found[0]):04X}", "Remove the escape", event.start_mark, path
            )
