"""Run a program as the cluster does: just the files that are shipped for it, and just the environment that it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackloom.manifests.programs import program_files


@dataclass(frozen=True)
class Programs:
    """A directory like the one that ConfigMaps are mounted on."""

    directory: Path

    def command(self, name: str, *arguments: str, python: str = sys.executable) -> list[str]:
        """The command that starts a program, whose files are in the directory then."""
        for file, text in program_files(name).items():
            (self.directory / file).write_text(text)
        return [python, str(self.directory / f"{name}.py"), *arguments]

    def run(
        self, name: str, *arguments: str, env: Mapping[str, str], python: str = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        """How a program ended, with what it said: both streams in one, as ``kubectl logs`` shows them."""
        return subprocess.run(
            self.command(name, *arguments, python=python),
            env={"PATH": os.environ["PATH"], **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
