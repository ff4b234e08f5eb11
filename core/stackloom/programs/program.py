"""What the programs of this directory share: a line for each action, a sentence for each failure, and patience.

They run inside the cluster, in published images with Python 3.10 or newer, from a mounted ConfigMap, as they stand here. So
they import the standard library and files of this directory, and nothing else except where a program says so.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class Failure(Exception):
    """What stops a program: one sentence that its reader can act on, free of secrets."""


def say(line: str) -> None:
    """Log one line."""
    print(line, flush=True)


def environment(*names: str, source: Mapping[str, str] = os.environ) -> list[str]:
    """The values of these variables, in this order. Raises Failure that names all those that are absent or empty."""
    absent = [name for name in names if not source.get(name)]
    if absent:
        raise Failure(f"the environment lacks {', '.join(absent)}")
    return [source[name] for name in names]


def read_json(path: str) -> Any:
    """The content of a JSON file. Raises Failure where there is none."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Failure(f"{path} does not hold JSON") from error


def patiently(action: Callable[[], T], errors: type[Exception], *, seconds: float, pause: float = 2.0) -> T:
    """The result of ``action``, tried again for ``seconds`` as long as it raises one of ``errors``: what is to come by itself.

    The error's text is logged when it changes, and the last one is raised as a Failure.
    """
    deadline = time.monotonic() + seconds
    said = ""
    while True:
        try:
            return action()
        except errors as error:
            if time.monotonic() >= deadline:
                raise Failure(f"gave up after {seconds:g} seconds: {error}") from error
            if str(error) != said:
                said = str(error)
                say(f"trying again: {said}")
        time.sleep(pause)


def run(main: Callable[[list[str]], None]) -> NoReturn:
    """Run ``main`` with the arguments of the command line, and exit: 0, or 1 after one sentence on what went wrong."""
    # As the first process of a container it would not be stopped by SIGTERM otherwise, and delay the end of its Pod.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main(sys.argv[1:])
    except Failure as failure:
        sys.exit(f"failed: {failure}")
    except Exception as error:  # noqa: BLE001
        # The message of an error that nobody foresaw may quote a secret: its kind and its place do not.
        # A mounted ConfigMap is a directory of links: the program is known by its link, and modules by what they link to.
        here = Path(__file__).resolve().parent
        own = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve().parent == here]
        sys.exit(f"failed: an unexpected {type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno}")
    sys.exit(0)
