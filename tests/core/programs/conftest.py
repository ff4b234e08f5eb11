"""The programs import each other by their bare names, as they do in the directory that they are mounted on."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "core" / "stackloom" / "programs"))
