"""Bad deployments and the exact messages that they get, written as tables.

Every ``bad_inputs*.yaml`` below ``tests/`` is a table::

    services: installed        # which services exist: those of the built-in plugins, or `sample` (tests/core/spec/cloud.py)
    deployment:                # a valid deployment that each case spoils; the table's own, or tests' usual one where absent
      apiVersion: ...
    cases:
    - name: a sentence that says what is wrong
      spec: {size: large}      # merged into the deployment's spec: mappings merge, anything else replaces
      remove: [spec.region_name]   # key paths that are taken out; a path may be a list of keys, for keys with dots
      problems:                # str() of each problem in the order in which they are reported, without file, line and column
      - "spec.size: 'large' is not one of single, tiny, small, medium"
    - name: a file given as it stands
      text: "a: ["             # the whole file; or `hex:` for bytes that are no text
      problems:                # here with file, line and column
      - "deployment.yaml:1:5: is not YAML: ..."

Services count as built here, whether their plugin builds them already or not: what is tried is the specification.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from stackloom.errors import Location, Problem, StackloomError
from stackloom.model.service import Service
from stackloom.spec.loader import Specification
from stackloom.spec.source import read

TESTS = Path(__file__).parent
USUAL: dict[str, Any] = {
    "apiVersion": "lcm.mirantis.com/v1alpha1",
    "kind": "OpenStackDeployment",
    "metadata": {"name": "cloud"},
    "spec": {"openstack_version": "gazpacho", "preset": "core", "size": "single", "public_domain_name": "cloud.example.org"},
}


def built_in_services() -> tuple[Service, ...]:
    """The services of the built-in plugins, as if each were built already."""
    package = importlib.import_module("stackloom_openstack")
    modules = (importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__))
    found = [s for module in modules if hasattr(module, "stackloom_services") for s in module.stackloom_services()]
    return tuple(sorted((dataclasses.replace(s, build=s.build or (lambda _: None)) for s in found), key=lambda s: s.name))


def services_of(table: str) -> tuple[Service, ...]:
    """The services that a table's ``services`` names."""
    if table == "installed":
        return built_in_services()
    return importlib.import_module("tests.core.spec.cloud").SERVICES  # type: ignore[no-any-return]


class _WithoutAliases(yaml.SafeDumper):
    """Writes a value out each time: what the tables share by anchors must not reach the file as one."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


@dataclasses.dataclass(frozen=True)
class Case:
    """A bad deployment and its messages."""

    table: str
    services: str
    deployment: dict[str, Any]
    row: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.table}: {self.row['name']}"

    @property
    def raw(self) -> bool:
        """Whether the case gives the whole file."""
        return "text" in self.row or "hex" in self.row

    def file(self) -> bytes:
        """The bytes of ``deployment.yaml``."""
        if "hex" in self.row:
            return bytes.fromhex(self.row["hex"])
        if "text" in self.row:
            return str(self.row["text"]).encode()
        deployment = patched(self.deployment, {"spec": self.row.get("spec", {})} | self.row.get("top", {}))
        for path in self.row.get("remove", []):
            *parents, last = path.split(".") if isinstance(path, str) else path
            node = deployment
            for key in parents:
                node = node[key]
            del node[last]
        return yaml.dump(deployment, Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True).encode()


def patched(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``patch`` laid over it: mappings merge, anything else replaces."""
    result = copy.deepcopy(base)
    for key, value in patch.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = patched(result[key], value) if both else copy.deepcopy(value)
    return result


def cases() -> Iterator[Case]:
    """The cases of all tables."""
    for path in sorted(TESTS.rglob("bad_inputs*.yaml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        for row in table["cases"]:
            yield Case(str(path.relative_to(TESTS).parent), table["services"], table.get("deployment", USUAL), row)


@functools.cache
def specification_of(table: str) -> Specification:
    """The specification with the services of a table."""
    return Specification(services_of(table))


def problems_of(case: Case, folder: Path) -> tuple[Problem, ...]:
    """What loading the case's file finds; the file is called ``deployment.yaml`` in the problems."""
    path = folder / "deployment.yaml"
    path.write_bytes(case.file())
    try:
        specification_of(case.services).load(read(path))
    except StackloomError as error:
        return tuple(dataclasses.replace(p, location=_in_folder(p.location)) for p in error.problems)
    return ()


def _in_folder(location: Location | None) -> Location | None:
    return location and dataclasses.replace(location, file=Path(location.file).name)


def messages_of(case: Case, problems: Sequence[Problem]) -> list[str]:
    """The problems as the case's table writes them."""
    return [str(p if case.raw else dataclasses.replace(p, location=None)) for p in problems]
