"""The sample cloud of ``cloud.yaml``, and how a test changes one thing of it and reads what a check says."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

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


Check = Callable[[Sequence[Output], CheckContext], Iterator[Problem]]


def said(check: Check, output: Iterable[Output], context: CheckContext = CONTEXT) -> list[str]:
    """What ``check`` says of ``output``."""
    return [str(problem) for problem in check(list(output), context)]


def body(kind: str, name: str, api_version: str = "v1", **rest: Any) -> dict[str, Any]:
    """An object in the sample's namespace."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "openstack"}, **rest}
