"""What the CR has and Stackloom refuses, has otherwise, or brings by itself: each by name, with the reason."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from stackloom.errors import Problem
from stackloom.spec.paths import KeyPath, render

# The core's own; the CR's list of services names them, and they come in any case.
INFRASTRUCTURE = frozenset({"coordination", "database", "ingress", "memcached", "messaging"})

_NOT_YET = "is not supported yet"
SERVICES_NOT_BUILT = {
    "app-gateway": _NOT_YET,
    "baremetal": _NOT_YET,
    "cloudprober": _NOT_YET,
    "descheduler": _NOT_YET,
    "dynamic-resource-balancer": _NOT_YET,
    "event": "is no longer supported: OpenStack gave up Panko before the oldest release that is supported here",
    "metric-storage": _NOT_YET,
    "redis": "is not supported: the services coordinate through etcd, and nothing needs Redis",
    "shared-file-system": _NOT_YET,
    "stepler": _NOT_YET,
}
_PROJECTS_NOT_BUILT = ("aetos", "ironic", "manila", "panko")
_SERVER_SIDE = (
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)

_NO_CHARTS = "there are no Helm charts here that could take values"
_BY_SERVICE = "Write options, replicas, resources and images under spec.services.<type>.<service>.values"
_NO_MIGRATION = "a migration is a change of this file here, step by step, each a commit"

# Paths, with `*` for any key, and what is said where one stands in a deployment. The first one that fits is taken.
_REFUSED: list[tuple[tuple[str, ...], str, str]] = [
    (("status",), "is written by a controller, and this file is read by none", "Remove it"),
    *((("metadata", key), "is written by the API server", "Remove it") for key in _SERVER_SIDE),
    (
        ("spec", "artifacts"),
        "is not supported: nothing is downloaded, and images keep their names",
        "A mirror of images stands in spec.images.registry",
    ),
    (("spec", "common"), f"is not supported: {_NO_CHARTS}", _BY_SERVICE),
    (("spec", "migration", "*"), f"is not supported: {_NO_MIGRATION}", "Remove it"),
    (("spec", "features", "stacklight", "user"), "is not supported: the account is made with the other credentials", "Remove it"),
    (
        ("spec", "features", "database", "local_volumes"),
        "is not supported: the databases are always on local volumes",
        "Remove it; the class is spec.local_volume_storage_class",
    ),
    (
        ("spec", "features", "ssl", "public_endpoints", "enabled"),
        "is not supported: public endpoints always have TLS",
        "Remove it",
    ),
    (("spec", "features", "cloudprober"), _NOT_YET, "Remove it"),
    *(
        ((*parents, project), _NOT_YET, "Remove it")
        for parents in (
            ("spec", "features"),
            ("spec", "features", "logging"),
            ("spec", "features", "policies"),
            ("spec", "features", "database", "cleanup"),
        )
        for project in _PROJECTS_NOT_BUILT
    ),
    *((("spec", "services", name), "takes no values yet", "Remove it") for name in sorted(INFRASTRUCTURE)),
    *((("spec", "services", name), reason, "Remove it") for name, reason in SERVICES_NOT_BUILT.items()),
]
_CHART = ("spec", "services", "*", "*", "values")
_NODE_CHART = ("spec", "nodes", "*", *_CHART[1:])
_VALUES_REFUSED: dict[str, tuple[str, str]] = {
    "pod": (f"is not supported: {_NO_CHARTS}", "Write replicas and resources beside conf: {replicas: {<component>: 3}}"),
    "labels": ("is not supported: where Pods run follows from the four labels of the nodes", "Remove it"),
    "endpoints": ("is not supported: endpoints follow from the service and the domain names", "Remove it"),
    "network": ("is not supported: Services and Ingresses follow from the service's endpoints", "Remove it"),
    "dependencies": ("is not supported: what waits for what follows from the service", "Remove it"),
    "manifests": ("is not supported: which objects there are follows from the features", "Remove it"),
    "bootstrap": ("is not supported: what a service needs at first is made with it", "Remove it"),
    "secrets": ("is not supported: Secrets are made as spec.credentials says", "Remove it"),
}
_VALUES_TAKEN = ("conf", "replicas", "resources", "images", "unchecked")


def refusals(data: Any, offered: Collection[str]) -> Iterator[tuple[KeyPath, Problem]]:
    """Keys in ``data`` that the CR has and this program refuses, each with its path.

    ``offered`` are the names that plugins give a meaning: what a plugin brings is not refused.
    """
    for pattern, what, hint in _REFUSED:
        if pattern[-1] not in offered:
            for path in _matches(data, pattern):
                yield path, Problem(what, hint)
    for path in (*_matches(data, (*_CHART, "*")), *_matches(data, (*_NODE_CHART, "*"))):
        key = str(path[-1])
        if key in _VALUES_REFUSED or key not in _VALUES_TAKEN:
            unknown = f"is not read: {_NO_CHARTS}", f"{', '.join(_VALUES_TAKEN)} are; most of the rest follows from spec.features"
            yield path, Problem(*_VALUES_REFUSED.get(key, unknown))
    for key in ("replicas", "images", "unchecked"):
        for path in _matches(data, (*_NODE_CHART, key)):
            yield path, Problem("cannot differ by node", f"Write it as {render(('spec', *path[3:]))}")
    for path in (*_matches(data, (*_CHART, "images", "tags")), *_matches(data, (*_CHART, "images", "pull_policy"))):
        yield path, Problem("is not supported", "Write the roles right below images: {images: {<role>: <reference>}}")


def _matches(data: Any, pattern: tuple[str, ...], path: KeyPath = ()) -> Iterator[KeyPath]:
    if not pattern:
        yield path
    elif isinstance(data, dict):
        for key in list(data) if pattern[0] == "*" else [pattern[0]]:
            if key in data:
                yield from _matches(data[key], pattern[1:], (*path, key))


def without(data: Any, paths: Collection[KeyPath], path: KeyPath = ()) -> Any:
    """A copy of ``data`` that lacks what stands at the ``paths``."""
    if isinstance(data, dict):
        return {key: without(value, paths, (*path, key)) for key, value in data.items() if (*path, key) not in paths}
    if isinstance(data, list):
        return [without(value, paths, (*path, index)) for index, value in enumerate(data)]
    return data
