"""The configuration in ``dist/`` before the judge that counts: the services' own code, in the release that ``dist/`` names."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.real.keystone import VENV
from tests.real.parts import absent

pytestmark = pytest.mark.real

PROJECT = Path(__file__).parents[2]
# The file, as the schemas call it; the component; and the variable that names the environment of its service.
FILES = [("keystone", "keystone", VENV)]


def judged(tmp_path: Path, environment: str, schema: str, text: str, variables: Mapping[str, str]) -> list[str]:
    """What the service itself says of a file and of variables."""
    if not os.environ.get(environment):
        absent(f"no {schema}: {environment} names no environment")
    file = tmp_path / "service.conf"
    file.write_text(text)
    namespaces = tomllib.loads((PROJECT / "scripts" / "option_files.toml").read_text())[schema]
    judge = [f"{os.environ[environment]}/bin/python", "-P", "-W", "ignore", str(PROJECT / "tests" / "real" / "option_judge.py")]
    done = subprocess.run([*judge, str(file), *namespaces], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def dist(component: str) -> tuple[dict[str, str], set[str]]:
    """The files of a component's ConfigMap, and the names of the variables of all its containers."""
    folder = PROJECT / "dist" / component
    files = yaml.safe_load((folder / f"ConfigMap.{component}-etc.yaml").read_text())["data"]
    bodies = [yaml.safe_load(path.read_text()) for path in folder.glob("*.yaml")]
    templates = [b["spec"].get("jobTemplate", b)["spec"].get("template", {}) for b in bodies if "spec" in b]
    containers = [c for t in templates for c in t.get("spec", {}).get("containers", [])]
    return files, {e["name"] for c in containers for e in c.get("env", [])}


@pytest.mark.parametrize(("schema", "component", "environment"), FILES)
def test_the_service_itself_finds_nothing_wrong(schema: str, component: str, environment: str, tmp_path: Path) -> None:
    files, variables = dist(component)
    options = {name: "1" for name in variables if name.startswith("OS_") and "__" in name}
    assert options
    assert judged(tmp_path, environment, schema, files[f"{schema}.conf"], options) == []


def test_the_judge_sees_what_is_wrong(tmp_path: Path) -> None:
    text = "[token]\nexpiration = -1\nfoo = 1\n[tokn]\na = 1\n[DEFAULT]\ndebug = maybe\n"
    variables = {"OS_DATABASE__CONNECTION": "x", "OS_FOO__BAR": "1", "OS_CACHE__BACKEND_ARGUMENT": "a"}
    said = judged(tmp_path, VENV, "keystone", text, variables)
    assert {line.partition(": ")[0]: line.partition(": ")[2].partition(":")[0] for line in said} == {
        "[token] expiration": "bad",
        "[token] foo": "unknown",
        "[tokn] a": "unknown",
        "[DEFAULT] debug": "bad",
        "OS_FOO__BAR": "names no option",
        "OS_CACHE__BACKEND_ARGUMENT": "takes several values",
    }
