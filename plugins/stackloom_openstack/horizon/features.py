"""``spec.features.horizon``: themes of the dashboard, and messages to those who use it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stackloom.fields import NonEmpty, SpecModel, Url, refuse


def _name(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value) is None:
        refuse(f"{value!r} cannot be the name of a file", "Use letters, digits, dashes, dots and underscores")
    return value


def _sha256(value: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{64}", value) is None:
        refuse(f"{value!r} is not a SHA-256 checksum", "Write the 64 hexadecimal digits that sha256sum prints for the archive")
    return value


FileName = Annotated[str, AfterValidator(_name)]
Sha256 = Annotated[str, AfterValidator(_sha256)]


class Theme(SpecModel):
    """A theme of the operator's own."""

    name: FileName
    """The theme's name."""
    url: Url | None = None
    """The archive (.tar.gz) that holds the theme. Needed when enabled."""
    sha256summ: Sha256 | None = None
    """The archive's SHA-256 checksum. Needed when enabled."""
    description: NonEmpty | None = None
    """What users read in the choice of themes. Needed when enabled."""
    enabled: bool = True
    """Offer the theme."""


class MessageOfTheDay(SpecModel):
    """A message to all users."""

    level: Literal["success", "info", "warning", "error"]
    """How it is shown."""
    message: NonEmpty
    """The text."""
    beforeLogin: bool = False  # noqa: N815 the CR's name
    """Show it on the login page."""
    afterLogin: bool = True  # noqa: N815 the CR's name
    """Show it on the pages behind the login."""


class HorizonFeatures(SpecModel):
    """The dashboard: Horizon."""

    default_theme: NonEmpty = "default"
    """The theme of users who chose none: ``default``, ``material``, or one of ``themes``."""
    themes: list[Theme] = Field(default_factory=list)
    """Themes of the operator's own."""
    motd: dict[FileName, MessageOfTheDay] = Field(default_factory=dict)
    """Messages of the day, by name."""
