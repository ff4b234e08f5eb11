"""The real cdk8s CLI from npm, with this project's ``cdk8s.yaml`` and ``main.py``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stackloom.constructs.node import choose_node
from tests.folders import tree
from tests.packaging.environment import ROOT
from tests.real.parts import absent

CLI = ROOT / "node_modules" / ".bin" / "cdk8s"
pytestmark = pytest.mark.real


@pytest.fixture
def project(workplace: Path) -> Path:
    """A project as a user has it: the files of this one, and the environment that ``cdk8s.yaml`` names."""
    if not CLI.exists():
        absent(f"no cdk8s CLI: {CLI.relative_to(ROOT)} is missing; run npm ci")
    for name in ("cdk8s.yaml", "main.py", "deployment.yaml"):
        shutil.copy(ROOT / name, workplace)
    (workplace / ".venv").symlink_to(sys.prefix)
    return workplace


def run(*words: str, where: Path) -> subprocess.CompletedProcess[str]:
    choose_node()
    node = str(Path(os.environ["JSII_NODE"]).parent) if "JSII_NODE" in os.environ else ""
    path = os.pathsep.join(filter(None, (node, os.environ["PATH"])))
    environment = {"PATH": path, "HOME": os.environ.get("HOME", "/"), "CDK8S_CHECK_UPGRADE": "false"}
    return subprocess.run([*words], cwd=where, env=environment, capture_output=True, text=True, check=False)


def test_the_cli_gives_the_same_bytes_as_the_program(project: Path) -> None:
    assert run(".venv/bin/python", "main.py", where=project).returncode == 0
    ours = tree(project / "dist")
    done = run(str(CLI), "synth", where=project)
    assert done.returncode == 0, done.stderr
    assert tree(project / "dist") == ours
    assert all(name.endswith(".yaml") for name in ours)


def test_the_cli_leaves_nothing_else_behind(project: Path) -> None:
    before = {entry.name for entry in project.iterdir()}
    assert run(str(CLI), "synth", where=project).returncode == 0
    assert {entry.name for entry in project.iterdir()} == {*before, "dist"}


def test_the_cli_shows_the_problems_and_fails(project: Path) -> None:
    text = (project / "deployment.yaml").read_text()
    (project / "deployment.yaml").write_text(text.replace("size: ", "size: very-"))
    done = run(str(CLI), "synth", where=project)
    assert done.returncode != 0
    assert "error: deployment.yaml:9:9: spec.size: 'very-small' is not one of single, tiny, small, medium" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "dist").exists()


def test_under_the_cli_too_a_component_does_not_vanish_unconfirmed(project: Path) -> None:
    (project / "dist/vitrage").mkdir(parents=True)
    (project / "dist/vitrage/ConfigMap.vitrage-etc.yaml").write_text("kind: ConfigMap\n")
    for words in (["init", "-q"], ["add", "dist"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]):
        assert run("git", *words, where=project).returncode == 0
    done = run(str(CLI), "synth", where=project)  # which removes dist/ before it runs the program
    assert done.returncode != 0
    assert "error: vitrage is in dist and would be removed" in done.stderr
