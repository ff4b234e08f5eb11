"""The fixtures of Stackloom for pytest, found by it wherever Stackloom is installed.

Every run of pytest in such an environment imports this module, whatever it tests: nothing slow may be imported at the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from stackloom.testing.snapshots import Snapshots
    from stackloom.testing.synthesis import Synthesis

# The comparisons there show what differs, as asserts in tests do.
pytest.register_assert_rewrite("stackloom.testing.snapshots", "stackloom.testing.suite")


@pytest.fixture
def manifests(tmp_path: Path) -> Iterator[Synthesis]:
    """Every object of a cloud: ``manifests(deployment)``.

    The deployment is a mapping, the text of a file or the path of one. All checks run, and what they find is raised as a
    :class:`stackloom.StackloomError`; nothing is written. ``plugins`` are those to take instead of the installed ones.
    """
    from stackloom.testing.synthesis import Synthesis  # noqa: PLC0415 - starts Node.js

    with Synthesis.below(tmp_path) as synthesis:
        yield synthesis


@pytest.fixture
def assert_snapshots(snapshot: SnapshotAssertion, request: pytest.FixtureRequest) -> Iterator[Snapshots]:
    """Compare objects with their snapshots: ``assert_snapshots(o for o in manifests(...) if o.component == "glance")``.

    There is a file for each: ``__snapshots__/<module>/<test>/<component>/<Kind>.<name>.yaml``, renewed by ``--snapshot-update``.
    """
    from stackloom.testing.snapshots import Snapshots  # noqa: PLC0415 - starts Node.js

    found = Snapshots(snapshot)
    yield found
    found.finish(update=request.config.getoption("update_snapshots"))
