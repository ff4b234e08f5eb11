"""The Secrets that a deployment refers to and does not make: they are in the cluster before it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stackloom.spec.deployment import OpenStackDeployment


def referenced_secrets(deployment: OpenStackDeployment) -> set[str]:
    """The names in every ``value_from: {secret_key_ref: ...}``, wherever it stands."""
    return set(_names(deployment.model_dump(exclude_none=True)))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "secret_key_ref" in value:
            yield value["secret_key_ref"]["name"]
        for inner in value.values():
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)
