"""What a test does when the real part that it needs is not on the machine."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

REQUIRED = "STACKLOOM_REQUIRE_REAL"


def absent(reason: str) -> NoReturn:
    """Skip the test for the reason given, or fail it where ``STACKLOOM_REQUIRE_REAL=1`` says that nothing may be absent."""
    if os.environ.get(REQUIRED, "") not in ("", "0"):
        pytest.fail(f"{reason} ({REQUIRED} is set: this may not be skipped)", pytrace=False)
    pytest.skip(reason)
