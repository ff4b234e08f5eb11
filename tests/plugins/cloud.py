"""A cloud of the built-in services for tests, written as what differs from the valid deployment of the table of bad inputs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from stackloom import Service, StackloomError
from stackloom.spec.deployment import OpenStackDeployment
from stackloom.spec.loader import load
from stackloom.spec.source import Source
from tests.bad_inputs import built_in_services, patched

CORE = ["identity", "dashboard", "image", "compute", "networking", "placement"]
services = cache(built_in_services)


@cache
def _usual() -> dict[str, Any]:
    table = yaml.safe_load((Path(__file__).parent / "bad_inputs.yaml").read_text(encoding="utf-8"))
    deployment: dict[str, Any] = table["deployment"]
    return deployment


def service(name: str) -> Service:
    """The built-in service of the name."""
    return next(s for s in services() if s.name == name)


def cloud(features: dict[str, Any] | None = None, **spec: Any) -> OpenStackDeployment:
    """The deployment with these features, and with what else is given of ``spec``."""
    data = patched(_usual(), {"spec": {**spec, "features": features or {}}})
    return load(Source.from_mapping(data), services())


def problems(features: dict[str, Any] | None = None, **spec: Any) -> list[str]:
    """What is wrong with that deployment: the key path of each problem."""
    try:
        cloud(features, **spec)
    except StackloomError as error:
        return [p.path for p in error.problems]
    return []
