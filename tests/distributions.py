"""Distributions with a plugin, made on the fly: a module and the metadata that an installer would have left beside it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from stackloom.hookspecs import ENTRY_POINT_GROUP
from stackloom.plugins import Plugins, load

PREAMBLE = "from stackloom import *\n\n"


class Distributions:
    """A folder of installed distributions, like ``site-packages``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._modules: set[str] = set()

    def add(
        self,
        code: str,
        *,
        plugin: str = "broken",
        name: str = "stackloom-broken",
        version: str = "0.3",
        groups: tuple[str, ...] = (ENTRY_POINT_GROUP,),
        preamble: str = PREAMBLE,
    ) -> None:
        """Install the distribution ``name``, whose one module holds ``code`` and is the plugin ``plugin``.

        The code begins in line 3, after the import of Stackloom's public names.
        """
        module = name.replace("-", "_")
        self._modules.add(module)
        (self.folder / f"{module}.py").write_text(preamble + textwrap.dedent(code).lstrip("\n"))
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("".join(f"[{group}]\n{plugin} = {module}\n" for group in groups))

    def entry_points(self) -> Iterator[metadata.EntryPoint]:
        """The entry points of what is installed here, found as in any environment."""
        return (entry for found in metadata.distributions(path=[str(self.folder)]) for entry in found.entry_points)

    def load(self, **arguments: object) -> Plugins:
        """The plugins that are installed here."""
        return load(entry_points=self.entry_points(), **arguments)  # type: ignore[arg-type]

    def forget(self) -> None:
        """Take the modules out of this process."""
        for module in self._modules:
            sys.modules.pop(module, None)
