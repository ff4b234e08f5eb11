"""Whether a plugin's record holds what it declares.

Types are declared and mypy checks them, but Python does not enforce them, and a text where a tuple is wanted would break the core
far from the plugin that is at fault.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from stackloom.errors import Problem
from stackloom.model.service import Service
from stackloom.names import is_dns_label
from stackloom.spec.paths import render


def record_problems(service: Service) -> Iterator[Problem]:
    """Values of another type than declared, in whatever depth, and names that no object of Kubernetes may have."""
    try:
        _declared().model_validate({field.name: getattr(service, field.name) for field in dataclasses.fields(service)})
    except ValidationError as error:
        for mistake in error.errors(include_url=False):
            path = render(tuple(part for part in mistake["loc"] if part != "[key]"))
            yield Problem(f"`{path}` of the service {service.name!r} {mistake['msg'].removeprefix('Input ')}")
        return
    for field in ("name", "type"):
        if not is_dns_label(getattr(service, field)):
            hint = "Use at most 63 lower-case letters, digits and dashes"
            yield Problem(f"`{field}` of the service {service.name!r} is not a DNS label", hint)
    for field in ("backs", "client"):
        if getattr(service, field):
            yield Problem(f"`{field}` of the service {service.name!r} is for the core's own infrastructure", "Leave it out")


@cache
def _declared() -> type[BaseModel]:
    """The record's declarations as a model of pydantic. What its functions get is not looked at."""
    hints = get_type_hints(Service, localns={"ServiceContext": Any, "OpenStackDeployment": Any, "Problem": Problem})
    fields: dict[str, Any] = {name: (hint, ...) for name, hint in hints.items()}
    return create_model("Service", __config__=ConfigDict(strict=True, revalidate_instances="always"), **fields)
