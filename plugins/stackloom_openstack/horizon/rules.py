"""What must hold between the fields of ``spec.features.horizon``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem, did_you_mean
from stackloom_openstack.horizon.features import HorizonFeatures

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

PATH = "spec.features.horizon"
BUILT_IN_THEMES = ("default", "material")


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of the dashboard: themes that cannot be fetched, or chosen."""
    horizon = deployment.features_of("horizon", HorizonFeatures)
    names = [theme.name for theme in horizon.themes]
    for index, theme in enumerate(horizon.themes):
        path = f"{PATH}.themes[{index}]"
        for key in ("url", "sha256summ", "description") if theme.enabled else ():
            if getattr(theme, key) is None:
                yield Problem(
                    path=path, what=f"the theme {theme.name!r} has no {key}", hint=f"Add {key}, or set enabled to false"
                )
        if theme.name in names[:index]:
            yield Problem(
                path=f"{path}.name", what=f"there is a theme {theme.name!r} already", hint="Give each theme a name of its own"
            )
    offered = [*BUILT_IN_THEMES, *(theme.name for theme in horizon.themes if theme.enabled)]
    if horizon.default_theme not in offered:
        yield Problem(
            path=f"{PATH}.default_theme",
            what=f"there is no theme {horizon.default_theme!r}",
            hint=did_you_mean(horizon.default_theme, offered),
        )
