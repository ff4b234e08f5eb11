"""What folders hold."""

from __future__ import annotations

from pathlib import Path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder: what outputs are compared by."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def names(folder: Path) -> list[str]:
    """What a folder itself holds."""
    return sorted(entry.name for entry in folder.iterdir())
