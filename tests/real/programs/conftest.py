"""What the programs talk to, and how they are run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.keystone import KeystoneServer, keystone_server
from tests.real.mariadb import DatabaseServer, mariadb_server
from tests.real.programs.running import Programs

# For the tests that call a program's functions: it imports its neighbours by their bare names.
sys.path.insert(0, str(Path(__file__).parents[3] / "core" / "stackloom" / "programs"))


@pytest.fixture(scope="session")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeystoneServer]:
    """A Keystone that the tests of the session share: each uses names of its own."""
    with keystone_server(tmp_path_factory.mktemp("keystone")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """A MariaDB that the tests of the session share: each uses names of its own."""
    with mariadb_server(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """Programs to run, and a directory for their files."""
    directory = tmp_path / "programs"
    directory.mkdir()
    return Programs(directory)
