"""What stands below the operator's values: the defaults of the preset and of the size."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from stackloom.model.service import Service
from stackloom.spec.paths import dig
from stackloom.spec.selection import Selection

_DEDICATED_BUSES = {
    "single": (),
    "tiny": ("networking",),
    "small": ("compute", "networking"),
    "medium": ("compute", "networking"),
}
_READINESS = {"single": (600, 10), "tiny": (600, 10), "small": (2400, 15), "medium": (2400, 15)}


def with_defaults(data: Any, services: Sequence[Service], selection: Selection) -> Any:
    """``data`` with the defaults below it: mappings merge, and anything else of the operator's replaces the default."""
    if not isinstance(dig(data, "spec"), dict):
        return data
    size = dig(data, "spec", "size")
    known_size = size if isinstance(size, str) and size in _READINESS else "single"
    timeout, delay = _READINESS[known_size]
    spec = {
        "features": {
            "messaging": {
                "components_with_dedicated_messaging": [t for t in _DEDICATED_BUSES[known_size] if t in selection.types]
            },
            "logging": {s.name: {"level": s.log_level} for s in services},
            "database": {"cleanup": {s.name: _cleanup(s) for s in services if s.cleanup}},
            **_subtrees(data, services, selection),
        },
        "timeouts": {"application_readiness": {s.name: {"timeout": timeout, "delay": delay} for s in services}},
    }
    return merge({"spec": spec}, data)


def merge(below: Any, above: Any) -> Any:
    """``above`` laid over ``below``: mappings merge key by key, anything else replaces. Neither is changed."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return copy.deepcopy(above)
    kept = {key: copy.deepcopy(value) for key, value in below.items() if key not in above}
    return {key: merge(below[key], value) if key in below else copy.deepcopy(value) for key, value in above.items()} | kept


def _cleanup(service: Service) -> dict[str, Any]:
    found = service.cleanup
    numbers = {"age": found.age, "batch": found.batch} if found else {}
    return {"enabled": True, "schedule": found.schedule if found else "", **{k: v for k, v in numbers.items() if v is not None}}


def _subtrees(data: Any, services: Sequence[Service], selection: Selection) -> dict[str, Any]:
    """The subtrees of features: of each service that will be built, and of others where they can be made of defaults alone."""
    preset = dig(data, "spec", "preset")
    features = dig(data, "spec", "features")
    given = features if isinstance(features, dict) else {}
    found: dict[str, Any] = {}
    for service in services:
        if service.features is None:
            continue
        complete = not any(field.is_required() for field in service.features.model_fields.values())
        if service in selection.services or (service in selection.all and complete) or service.features_name in given:
            own = next((values for name, values in service.defaults.items() if name == preset), {})
            found[service.features_name] = merge(found.get(service.features_name, {}), dict(own))
    return found
