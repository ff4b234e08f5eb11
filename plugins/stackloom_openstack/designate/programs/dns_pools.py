"""Tell Designate of its pools, in its own image: ``dns_pools.py FILE``.

FILE is a pools.yaml with ${NAME} where the value of a variable belongs, so that the file itself holds no secret.
"""

from __future__ import annotations

import os
import string
import tempfile
from collections.abc import Mapping
from pathlib import Path

from program import Failure, run


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the variables' values. Raises Failure where one is absent."""
    try:
        return string.Template(text).substitute(values)
    except KeyError as error:
        raise Failure(f"the environment lacks {error.args[0]}") from error


def main(arguments: list[str]) -> None:
    """Become ``designate-manage pool update``, which tells designate-central through its bus."""
    (file,) = arguments
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as pools:
        pools.write(filled(Path(file).read_text(encoding="utf-8"), os.environ))
    os.execvp("designate-manage", ["designate-manage", "pool", "update", "--file", pools.name])  # noqa: S606, S607


if __name__ == "__main__":
    run(main)
