"""Whose fault it is: what plugins raise, as problems that name plugin, distribution, version and the line of the plugin's code.

Made for ``with`` statements that read as what they do::

    with collecting(problems), blaming(origin, "in stackloom_services"):
        ...  # code of the plugin
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePath

from stackloom.errors import Problem, StackloomError


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plugin comes from. ``package`` is the top-level package or module of its code."""

    plugin: str
    distribution: str = ""
    version: str = ""
    package: str = ""

    def __str__(self) -> str:
        return f"plugin {self.plugin} ({self.distribution} {self.version})" if self.distribution else f"plugin {self.plugin}"


@contextmanager
def blaming(origin: Origin, doing: str) -> Iterator[None]:
    """Attribute what the block raises: problems of no known place to the plugin, and any other failure as the plugin's fault.

    ``doing`` says when it happened: "on import", "in stackloom_services".
    """
    try:
        yield
    except StackloomError as error:
        raise StackloomError(attributed(problem, origin) for problem in error.problems) from error
    except (Exception, SystemExit) as error:  # a plugin that calls exit() must not end the run in silence
        raise StackloomError(_failure(error, origin, doing)) from error


@contextmanager
def collecting(problems: list[Problem]) -> Iterator[None]:
    """Add the problems that the block raises to ``problems``, and go on."""
    try:
        yield
    except StackloomError as error:
        problems.extend(error.problems)


def attributed(problem: Problem, origin: Origin) -> Problem:
    """The problem with the plugin as its source, unless it says itself where it comes from."""
    return problem if problem.source or problem.location else replace(problem, source=str(origin))


def _failure(error: BaseException, origin: Origin, doing: str) -> Problem:
    message = " ".join(str(error).split())
    return Problem(
        f"{type(error).__name__} {doing}{_where(error, origin)}" + (f": {message}" if message else ""),
        "This is a fault of the plugin: upgrade it, or report it to its authors",
        source=str(origin),
    )


def _where(error: BaseException, origin: Origin) -> str:
    """The innermost line that is the plugin's own: what it called may lie far from the mistake."""
    frames = [(frame.f_globals.get("__name__", ""), frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [(code, line) for module, code, line in frames if module.partition(".")[0] == origin.package]
    if not own:
        return ""
    code, line = own[-1]
    parts = PurePath(code.co_filename).parts
    inside = parts[parts.index(origin.package) :] if origin.package in parts else parts[-1:]
    return f", at {'/'.join(inside)}:{line} in {code.co_name}"
