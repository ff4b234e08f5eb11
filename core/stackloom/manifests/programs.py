"""The core's programs as files in a container."""

from __future__ import annotations

from collections.abc import Mapping

from stackloom.incluster import PROGRAMS_CONFIG_MAP, PROGRAMS_DIRECTORY, with_imports
from stackloom.manifests.files import ConfigFile


def program_files(name: str, programs: Mapping[str, str]) -> tuple[ConfigFile, ...]:
    """One of the ``programs`` and the modules that it imports."""
    names = with_imports(name, programs)
    return tuple(ConfigFile(f"{PROGRAMS_DIRECTORY}/{n}", PROGRAMS_CONFIG_MAP, n, programs[n]) for n in names)
