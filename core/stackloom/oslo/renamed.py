"""Options under the names that they have in one release: a plugin writes those of the newest, whichever it is built for."""

from __future__ import annotations

from stackloom.oslo.ini import Option, Sections
from stackloom.oslo.schema import OptionFile


def as_called_in(known: OptionFile, newest: OptionFile, sections: Sections) -> dict[str, dict[str, Option]]:
    """``sections``, which have the names of ``newest``, with those of the release whose file is ``known``."""
    called: dict[str, dict[str, Option]] = {}
    for group, options in sections.items():
        for name, value in options.items():
            there, known_as = _name(known, newest, group, name)
            called.setdefault(there, {})[known_as] = value
    return called


def _name(known: OptionFile, newest: OptionFile, group: str, name: str) -> tuple[str, str]:
    """Where the option stands in that release; where it is not known by any name, it stays, and is found to be unknown."""
    if _has(known, group, name) or not _has(newest, group, name):
        return group, name
    former = ((old_group or group, old) for old_group, old in newest.group(group)[name].formerly)
    return next((place for place in former if _has(known, *place)), (group, name))


def _has(file: OptionFile, group: str, name: str) -> bool:
    return group in file.groups and name in file.group(group)
