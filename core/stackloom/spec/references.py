"""The Secrets and StorageClasses that a deployment refers to and does not make: they are in the cluster before it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stackloom.spec.deployment import OpenStackDeployment


def referenced_secrets(deployment: OpenStackDeployment) -> set[str]:
    """The names in every ``value_from: {secret_key_ref: ...}``, wherever it stands."""
    return set(_names(deployment.model_dump(exclude_none=True)))


def referenced_storage_classes(deployment: OpenStackDeployment) -> set[str]:
    """The names in every ``storage_class_name``, and those of the deployment as a whole."""
    spec = deployment.spec
    own = {spec.local_volume_storage_class, spec.persistent_volume_storage_class}
    return {name for name in own | set(_values(deployment.model_dump(exclude_none=True), "storage_class_name")) if name}


def _values(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(inner) for name, inner in value.items() if name == key)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _values(inner, key)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "secret_key_ref" in value:
            yield value["secret_key_ref"]["name"]
        for inner in value.values():
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)
