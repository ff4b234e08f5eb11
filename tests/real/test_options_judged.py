"""The configuration in ``dist/`` before the judge that counts: the services' own code, in the release that ``dist/`` names."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from stackloom import Service
from stackloom.model.conf import NODE_MARK
from stackloom.oslo.check import sections_like
from tests.bad_inputs import built_in_services
from tests.real.openstack import environment

pytestmark = pytest.mark.real

PROJECT = Path(__file__).parents[2]
NAMESPACES: dict[str, list[str]] = tomllib.loads((PROJECT / "scripts" / "option_files.toml").read_text())
SERVICES = [s for s in built_in_services() if s.schemas and (PROJECT / "dist" / s.name).exists()]


def judged(
    tmp_path: Path, schemas: Sequence[str], text: str, variables: Mapping[str, str], sections: Mapping[str, str] | None = None
) -> list[str]:
    """What the services themselves say of a file, some of whose sections have the options of others, and of variables."""
    file = tmp_path / "service.conf"
    file.write_text(re.sub(f"{NODE_MARK}[^@]+@", "192.0.2.1", text))  # as a node's own address takes its place
    namespaces = dict.fromkeys(namespace for schema in schemas for namespace in NAMESPACES[schema])
    like = [f"{section}={group}" for section, group in (sections or {}).items()]
    judge = [f"{environment()}/bin/python", "-P", "-W", "ignore", str(PROJECT / "tests" / "real" / "option_judge.py"), str(file)]
    done = subprocess.run([*judge, *like, *namespaces], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def written(service: Service) -> dict[str, str]:
    """The files of a service's ConfigMap by key."""
    file = PROJECT / "dist" / service.name / f"ConfigMap.{service.name}-etc.yaml"
    found: dict[str, str] = yaml.safe_load(file.read_text())["data"] if file.exists() else {}
    return found


def variables_of(service: Service) -> set[str]:
    """The variables of all containers of a service that set an option."""
    bodies = [yaml.safe_load(path.read_text()) for path in (PROJECT / "dist" / service.name).glob("*.yaml")]
    templates = [b["spec"].get("jobTemplate", b)["spec"].get("template", {}) for b in bodies if "spec" in b]
    containers = [c for t in templates for c in t.get("spec", {}).get("containers", [])]
    names = {e["name"] for c in containers for e in c.get("env", [])}
    return {name for name in names if name.startswith("OS_") and "__" in name}


@pytest.mark.parametrize("service", SERVICES, ids=lambda s: s.name)
def test_the_service_itself_finds_nothing_wrong(service: Service, tmp_path: Path) -> None:
    texts = written(service)
    schemas = {file.name: file.schema or file.name for file in service.conf_files.values()}
    for file in service.conf_files.values():
        for text in (texts[key] for key in texts if key.startswith((f"{file.name}.", f"{file.name}-")) and key.endswith(".conf")):
            named = sections_like(file.sections, sections_of(text))
            assert judged(tmp_path, [schemas[file.name]], text, {}, named) == []
    assert judged(tmp_path, list(schemas.values()), "", dict.fromkeys(variables_of(service), "1")) == []


def sections_of(text: str) -> dict[str, dict[str, str]]:
    """The options of a file as they stand there."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            options = found.setdefault(line.strip("[]"), {})
        elif " = " in line and not line.startswith(" "):
            name, _, value = line.partition(" = ")
            options[name] = value
    return found


def test_the_judge_sees_what_is_wrong(tmp_path: Path) -> None:
    text = "[token]\nexpiration = -1\nfoo = 1\n[tokn]\na = 1\n[DEFAULT]\ndebug = maybe\n"
    variables = {"OS_DATABASE__CONNECTION": "x", "OS_FOO__BAR": "1", "OS_CACHE__BACKEND_ARGUMENT": "a"}
    said = judged(tmp_path, ["keystone"], text, variables)
    assert {line.partition(": ")[0]: line.partition(": ")[2].partition(":")[0] for line in said} == {
        "[token] expiration": "bad",
        "[token] foo": "unknown",
        "[tokn] a": "unknown",
        "[DEFAULT] debug": "bad",
        "OS_FOO__BAR": "names no option",
        "OS_CACHE__BACKEND_ARGUMENT": "takes several values",
    }
