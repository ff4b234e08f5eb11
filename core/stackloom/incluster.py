"""The programs that run inside the cluster, shipped exactly as they stand in their package.

Those of the core are in one ConfigMap; those of a plugin are files of its service's configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

PROGRAMS_CONFIG_MAP = "stackloom-programs"
PROGRAMS_DIRECTORY = "/opt/stackloom/programs"
_IMPORT = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)


def read_programs(package: str = "stackloom.programs") -> dict[str, str]:
    """The text of each program of a package by its file name, in the order of the names."""
    folder = resources.files(package)
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".py") and f.name != "__init__.py")
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}


def with_imports(name: str, programs: Mapping[str, str]) -> list[str]:
    """``name`` and the programs that it imports, directly or not, sorted: what must be mounted for it to run."""
    wanted, todo = {name}, [name]
    while todo:
        for module in _imported(programs[todo.pop()]):
            if f"{module}.py" in programs and f"{module}.py" not in wanted:
                wanted.add(f"{module}.py")
                todo.append(f"{module}.py")
    return sorted(wanted)


@cache
def _imported(text: str) -> tuple[str, ...]:
    return tuple(_IMPORT.findall(text))
