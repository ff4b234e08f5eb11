"""What can go wrong, said the same way everywhere.

A :class:`Problem` is one mistake of a person: where it stands, what is wrong and how to mend it. Code that finds
mistakes returns problems (all of them); only the outermost layers raise them, together, as a :class:`StackloomError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Location:
    """A place in a file. Lines and columns count from 1; 0 means "not known"."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)])


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``path`` is the key path in the deployment (``spec.features.nova.images.backend``) or the object in the output
    (``keystone/Deployment/keystone-api: spec.replicas``). ``source`` names the plugin with its distribution and version
    where a plugin is at fault. ``what`` is a sentence without a full stop; ``hint`` says how to mend it.
    """

    what: str
    hint: str = ""
    path: str = ""
    location: Location | None = None
    source: str = ""

    def __str__(self) -> str:
        head = "".join(f"{part}: " for part in (self.location, self.source, self.path) if part)
        return f"{head}{self.what}" + (f". {self.hint}" if self.hint else "")


class StackloomError(Exception):
    """Problems that stop the run. Raised before anything is written."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        found = [problems] if isinstance(problems, Problem) else problems
        self.problems: tuple[Problem, ...] = tuple(
            dict.fromkeys(sorted(found, key=lambda p: (p.location or Location(""), p.source, p.path, p.what)))
        )
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint that names the nearest of the ``known`` words, or all of them when they are few, or nothing."""
    names = sorted(known)
    close = difflib.get_close_matches(word.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    if close:
        return f"Did you mean {next(n for n in names if n.lower() == close[0])!r}?"
    return f"Known: {', '.join(names)}" if 0 < len(names) <= 20 else ""
