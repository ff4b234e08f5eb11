from __future__ import annotations

import sys

import pytest

from stackloom.incluster import read_programs, with_imports

PROGRAMS = read_programs()


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("gate.py", ["gate.py", "kube.py", "program.py"]),
        ("credentials.py", ["certificates.py", "credentials.py", "kube.py", "program.py"]),
        ("database.py", ["database.py", "program.py"]),
        ("catalogue.py", ["catalogue.py", "identity.py", "program.py"]),
    ],
)
def test_a_program_is_shipped_with_just_the_neighbours_that_it_imports(name: str, files: list[str]) -> None:
    assert with_imports(name, PROGRAMS) == files


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_program_hides_a_module_of_python(name: str) -> None:
    assert name.removesuffix(".py") not in sys.stdlib_module_names
