"""Themes: which there are, and how those of the operator's own come into a Pod."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stackloom import Container, Resources

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom_openstack.horizon.features import HorizonFeatures, Theme

DIRECTORY = "/var/lib/horizon/themes"
_PLAN = "/etc/stackloom/themes.json"


def own_themes(features: HorizonFeatures) -> list[Theme]:
    """Those of the operator's own that are offered."""
    return [theme for theme in features.themes if theme.enabled]


def settings(features: HorizonFeatures) -> dict[str, Any]:
    """The choice of themes. Horizon's own two have names and places there."""
    own = [(theme.name, theme.description, f"{DIRECTORY}/{theme.name}") for theme in own_themes(features)]
    built_in = [("default", "Default", "themes/default"), ("material", "Material", "themes/material")]
    return {"AVAILABLE_THEMES": [*built_in, *own], "DEFAULT_THEME": features.default_theme}


def fetched(ctx: ServiceContext, features: HorizonFeatures) -> list[Container]:
    """The init container that brings the operator's own into the Pod; none where there are none."""
    own = own_themes(features)
    if not own:
        return []
    archives = [{"url": theme.url, "sha256": theme.sha256summ, "directory": f"{DIRECTORY}/{theme.name}"} for theme in own]
    ctx.allow_egress(*sorted({_port(str(theme.url)) for theme in own}))
    return [
        Container(
            name="themes",
            image=ctx.image(ctx.name),
            command=["python3", "/opt/stackloom/programs/archives.py", _PLAN],
            files=[ctx.file(_PLAN, json.dumps({"archives": archives}, indent=2) + "\n"), *ctx.program("archives.py")],
            writable=[DIRECTORY],
            resources=Resources(cpu="50m", memory="64Mi", memory_limit="256Mi").body(),
        )
    ]


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (80 if parts.scheme == "http" else 443)
