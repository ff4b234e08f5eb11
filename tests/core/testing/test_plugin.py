from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom import Output, StackloomError
from tests.bad_inputs import USUAL, patched

IDENTITY = patched(USUAL, {"spec": {"features": {"services": ["identity"]}}})


@pytest.mark.parametrize("module", ["stackloom.testing", "stackloom.testing.plugin"])
def test_what_every_run_of_pytest_imports_starts_no_node(module: str):
    program = f"import {module}, sys; print(*{{'cdk8s', 'jsii', 'stackloom.app', 'syrupy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_deployment_is_a_mapping_a_text_or_a_path(manifests: Callable[[Any], list[Output]], tmp_path: Path):
    text = yaml.safe_dump(IDENTITY)
    (tmp_path / "other.yaml").write_text(text)
    given = [IDENTITY, text, tmp_path / "other.yaml", str(tmp_path / "other.yaml")]
    first, *others = ([(o.path, o.body) for o in manifests(deployment)] for deployment in given)
    assert "keystone/Deployment/keystone-api" in dict(first)
    assert others == [first] * 3


def test_nothing_is_written(manifests: Callable[[Any], list[Output]], workplace: Path):
    manifests(IDENTITY)
    assert [p.name for p in workplace.iterdir()] == ["deployment.yaml"]


def test_what_the_folder_of_the_tests_holds_is_no_matter(manifests: Callable[[Any], list[Output]], workplace: Path):
    (workplace / "dist").write_text("not even a folder")
    assert manifests(IDENTITY)


def test_problems_of_the_deployment_are_raised_with_their_lines(manifests: Callable[[Any], list[Output]]):
    with pytest.raises(StackloomError, match=r"deployment.yaml:\d+:\d+: spec.size: 'huge' is not one of"):
        manifests(patched(IDENTITY, {"spec": {"size": "huge"}}))
