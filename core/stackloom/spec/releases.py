"""The releases of OpenStack: which can be deployed, and what is said of the others."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from stackloom.errors import did_you_mean
from stackloom.fields import Release, refuse

SUPPORTED = {"epoxy": "2025.1", "flamingo": "2025.2", "gazpacho": "2026.1"}
LATEST = "gazpacho"
_OLDER = (
    *("queens", "rocky", "stein", "train", "ussuri", "victoria", "wallaby"),
    *("xena", "yoga", "zed", "antelope", "bobcat", "caracal", "dalmatian"),
)
_NEWER = ("hibiscus",)


def _release(value: Any) -> Any:
    known = f"Choose one of {', '.join(f'{name} ({number})' for name, number in SUPPORTED.items())}"
    for name, number in SUPPORTED.items():
        if str(value) == number:
            refuse(f"{value!r} is a release's number, and its name is wanted", f"Write {name}")
    if value in _OLDER:
        refuse(f"OpenStack {value} is no longer supported", known)
    if value in _NEWER:
        refuse(f"OpenStack {value} is not supported yet", known)
    if value == "master":
        refuse("'master' is no release: what it means changes every day", known)
    if isinstance(value, str) and value not in SUPPORTED:
        close = did_you_mean(value, [*SUPPORTED, *_OLDER, *_NEWER])
        refuse(f"{value!r} is not a release of OpenStack", close or known)
    return value


OpenStackVersion = Annotated[Release, BeforeValidator(_release)]
"""A release of OpenStack that can be deployed, by name."""
