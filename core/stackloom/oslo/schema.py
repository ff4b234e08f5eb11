"""What the services of a release can be told: their options and policies, as their own code declares them.

A package of plugins brings one file for each release, ``schemas/<release>.json.xz``. It holds ``{"files": {file: {group: {option:
...}}}, "auth": {auth_type: {option: ...}}, "policies": {service: {name: ...}}}``. ``scripts/option_schemas.py`` writes those of
Stackloom's own plugins from the packages that the projects publish.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

from stackloom.errors import Problem, StackloomError

Kind = Literal["string", "boolean", "integer", "float", "port", "list", "dict", "address", "host", "hostname", "uri"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option, as the service declares it.

    ``type`` and what follows it bound its value; ``items`` is that of a list's or a mapping's values. ``multi`` options stand on
    several lines. ``formerly`` are the groups ("": the same) and names that it had, ``leaves`` is why it will be removed (None:
    it stays). ``default`` is as it would be written; None where there is none, or where it depends on the machine.
    """

    type: Kind = "string"
    min: float | None = None
    max: float | None = None
    longest: int | None = None
    choices: tuple[str | int | float, ...] = ()
    any_case: bool = False
    regex: str = ""
    items: Option | None = None
    bounds: bool = False
    multi: bool = False
    default: Any = None
    secret: bool = False
    required: bool = False
    formerly: tuple[tuple[str, str], ...] = ()
    leaves: str | None = None
    help: str = ""

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Option:
        """From its JSON."""
        items = cls.read(said["items"]) if "items" in said else None
        formerly = tuple((group, name) for group, name in said.get("formerly", ()))
        return cls(**{**said, "items": items, "formerly": formerly, "choices": tuple(said.get("choices", ()))})


Group = Mapping[str, Option]
_LOGS_IN = {"auth_url", "username", "password", "user_domain_name"}


class OptionFile:
    """The options of one file: of its groups, and of those that ``auth_type`` brings in."""

    def __init__(self, groups: Mapping[str, Mapping[str, Any]], auth: Mapping[str, Mapping[str, Any]]) -> None:
        self._groups, self._auth = groups, auth
        self._read: dict[str, dict[str, Option]] = {}

    @cached_property
    def renamed(self) -> Mapping[tuple[str, str], tuple[str, str]]:
        """What options are called now, by the groups and names that they had."""
        return {
            (former or group, old): (group, name)
            for group, options in self._groups.items()
            for name, said in options.items()
            for former, old in said.get("formerly", ())
        }

    @property
    def groups(self) -> frozenset[str]:
        """The names of its groups."""
        return frozenset(self._groups)

    def group(self, name: str) -> Group:
        """The options of a group by name."""
        if name not in self._read:
            self._read[name] = {option: Option.read(said) for option, said in self._groups[name].items()}
            if self._read[name].keys() >= _LOGS_IN:
                # Cinder declares what a password needs, and forgets the option that asks for one.
                self._read[name].setdefault("auth_type", Option())
        return self._read[name]

    def options(self, name: str, given: Mapping[str, Any]) -> Group:
        """The options of a group, with those that its way to authenticate adds; ``given`` is what the file sets of it."""
        own = self.group(name)
        if "auth_type" not in own:
            return own
        auth_type = str(given.get("auth_type") or own["auth_type"].default or "password")
        return {**{option: Option.read(said) for option, said in self._auth.get(auth_type, {}).items()}, **own}


@dataclass(frozen=True)
class Schema:
    """What the services of one package of plugins can be told in one release."""

    said: Mapping[str, Any] = field(repr=False)
    _files: dict[str, OptionFile] = field(default_factory=dict, repr=False, compare=False)

    def file(self, name: str) -> OptionFile | None:
        """The options of a file, read once; None if it is not known."""
        if name in self.said["files"] and name not in self._files:
            self._files[name] = OptionFile(self.said["files"][name], self.said["auth"])
        return self._files.get(name)

    def policies(self, service: str) -> Mapping[str, Mapping[str, Any]]:
        """The policies of a service by name: ``default``, ``help``, ``operations``, ``formerly``, ``leaves``."""
        found: Mapping[str, Mapping[str, Any]] = self.said["policies"].get(service, {})
        return found


def exists(package: str, release: str) -> bool:
    """Whether a package says anything of a release."""
    return _file(package, release).is_file()


def _file(package: str, release: str) -> Traversable:
    return files(package) / "schemas" / f"{release}.json.xz"


@cache
def schema_of(package: str, release: str) -> Schema:
    """What a package says of a release. Raises StackloomError where it says nothing."""
    file = _file(package, release)
    try:
        return Schema(json.loads(lzma.decompress(file.read_bytes())))
    except OSError:
        what = f"the package {package} does not say which options its services have in {release}"
        raise StackloomError(Problem(what, f"It lacks schemas/{release}.json.xz")) from None
