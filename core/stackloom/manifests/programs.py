"""The programs that run inside the cluster, as files to ship: each with just those of its neighbours that it imports."""

from __future__ import annotations

import ast
from pathlib import Path

_DIRECTORY = Path(__file__).parent.parent / "programs"


def program_files(name: str) -> dict[str, str]:
    """The text of the program ``name`` (``gate``) and of what it imports from beside it, by file name, as they stand."""
    texts: dict[str, str] = {}
    pending = [name]
    while pending:
        module = pending.pop()
        if module not in texts:
            texts[module] = (_DIRECTORY / f"{module}.py").read_text(encoding="utf-8")
            pending += [found for found in _imported(texts[module]) if (_DIRECTORY / f"{found}.py").is_file()]
    return {f"{module}.py": texts[module] for module in sorted(texts)}


def _imported(text: str) -> list[str]:
    nodes = list(ast.walk(ast.parse(text)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
