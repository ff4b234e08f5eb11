from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def stringify() -> Callable[[Any], str]:
    """What cdk8s makes of a body."""
    from stackloom.constructs.component import Yaml  # chooses the Node.js

    return Yaml.stringify
