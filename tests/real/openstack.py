"""The OpenStack services of this machine, from PyPI: the environment in which they, and their libraries, are installed."""

from __future__ import annotations

from pathlib import Path

from scripts.openstack_environment import directory, is_made
from stackloom.spec.releases import LATEST
from tests.real.parts import absent


def environment() -> Path:
    """The environment of the services of the newest release. The test ends here where it has not been made."""
    if not is_made(LATEST):
        absent(f"no OpenStack services: run scripts/openstack_environment.py {LATEST}")
    return directory(LATEST)
