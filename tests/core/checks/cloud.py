"""The sample cloud of ``cloud.yaml``, and how a test changes one thing of it and reads what a check says."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom.checks import CheckContext, External
from stackloom.errors import Problem
from stackloom.model.credential import Credential, Value
from stackloom.model.output import Output

API = "keystone/Deployment/keystone-api"
IMAGES = "glance/StatefulSet/glance-api"
JOB = "keystone/Job/keystone-db-sync-0123456789"
ABSENT = object()

# The steps to the Pod's spec and to the first container of a workload.
POD = ("spec", "template", "spec")
FIRST = (*POD, "containers", 0)

CONTEXT = CheckContext(
    namespace="openstack",
    credentials=(
        Credential(name="keystone-database", keys={"password": Value.password()}, readers=frozenset({"keystone", "task:purge"})),
        Credential(name="keystone-fernet-keys", keys={"0": Value.fernet()}, readers=frozenset({"keystone"}), seeded=True),
    ),
    externals=External.of(
        {"Service": ["mariadb"], "IngressClass": ["nginx"], "StorageClass": ["ceph"], "Secret": ["ingress-tls"]}
    ),
)

_CLOUD = yaml.safe_load((Path(__file__).parent / "cloud.yaml").read_text())


def cloud(*more: dict[str, Any]) -> list[Output]:
    """The sample, and ``more`` objects in a component ``extra`` of a plugin."""
    found = [Output(component, copy.deepcopy(body)) for component, bodies in _CLOUD.items() for body in bodies]
    return [*found, *(Output("extra", body, "extra (stackloom-extra 1.0)") for body in more)]


def changed(path: str, *steps: str | int, to: Any, output: Sequence[Output] | None = None) -> list[Output]:
    """The sample with another value at ``steps`` of the object at ``path``; ABSENT removes what is there."""
    found = cloud() if output is None else list(output)
    value: Any = next(o for o in found if o.path == path).body
    for step in steps[:-1]:
        value = value.setdefault(step, {}) if isinstance(value, dict) else value[step]
    if to is ABSENT:
        del value[steps[-1]]
    elif isinstance(value, list) and steps[-1] == len(value):
        value.append(to)
    else:
        value[steps[-1]] = to
    return found


def without(*paths: str) -> list[Output]:
    """The sample without the objects at ``paths``."""
    return [o for o in cloud() if o.path not in paths]


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in the sample, and the whole message that a check must give of it."""

    output: Sequence[Output]
    says: str

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Mistake:
        """An entry of ``broken.yaml``."""
        if "add" in entry:
            added = {"apiVersion": "v1", **entry["add"]}
            added["metadata"] = {"name": "mine", "namespace": "openstack", **added.get("metadata", {})}
            one = Output("extra", added)
            return cls([*cloud(), one], f"{one.path}: {entry['says']}")
        field = entry["set"] if "set" in entry else entry["remove"]
        steps = [int(index) if index else name for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", field)]
        return cls(changed(entry["in"], *steps, to=entry["to"] if "set" in entry else ABSENT), f"{entry['in']}: {entry['says']}")


def mistakes(check: str) -> list[Any]:
    """The entries of ``broken.yaml`` for a check, as parameters of a test."""
    entries = yaml.safe_load((Path(__file__).parent / "broken.yaml").read_text())[check]
    return [pytest.param(Mistake.read(entry), id=entry["says"].partition(": ")[0]) for entry in entries]


Check = Callable[[Sequence[Output], CheckContext], Iterator[Problem]]


def said(check: Check, output: Iterable[Output], context: CheckContext = CONTEXT) -> list[str]:
    """What ``check`` says of ``output``."""
    return [str(problem) for problem in check(list(output), context)]


def body(kind: str, name: str, api_version: str = "v1", **rest: Any) -> dict[str, Any]:
    """An object in the sample's namespace."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "openstack"}, **rest}
