"""Run a program as the cluster does: just the files that are shipped for it, and just the environment that it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackloom.incluster import read_programs, with_imports


@dataclass(frozen=True)
class Programs:
    """A directory like the one that ConfigMaps are mounted on. ``package`` has programs beside the core's."""

    directory: Path
    package: str = ""

    def command(self, name: str, *arguments: str, python: str = sys.executable) -> list[str]:
        """The command that starts a program, whose files are in the directory then."""
        texts = {**read_programs(), **(read_programs(self.package) if self.package else {})}
        for file in with_imports(f"{name}.py", texts):
            (self.directory / file).write_text(texts[file])
        return [python, str(self.directory / f"{name}.py"), *arguments]

    def run(
        self, name: str, *arguments: str, env: Mapping[str, str], python: str = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        """How a program ended, with what it said."""
        return finished(self.command(name, *arguments, python=python), env)


def finished(command: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """How a command ended, with what it said: both streams in one, as ``kubectl logs`` shows them."""
    return subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
