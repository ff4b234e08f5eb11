"""What must hold between the fields of ``spec.features.horizon``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem, did_you_mean
from stackloom_openstack.horizon.features import HorizonFeatures

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

PATH = "spec.features.horizon"
VALUES = "spec.services.dashboard.horizon.values.conf.local_settings"
BUILT_IN_THEMES = ("default", "material")


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of the dashboard: themes that cannot be fetched or chosen, settings that are none, rules that nothing reads."""
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
    yield from _settings(deployment)
    yield from _no_policies(deployment)


def _settings(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Settings are names of Python, and one is a secret that is made."""
    for service in deployment.services:
        if service.name == "horizon":
            groups = deployment.values_of(service).conf.get("local_settings", {})
            for group, options in groups.items():
                for name in (group, *(options if group == "DEFAULT" else ())):
                    path = f"{VALUES}.{group}" + (f".{name}" if name != group else "")
                    if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) is None:
                        yield Problem(f"{name!r} is not the name of a setting", "Settings have capitals, digits and _", path)
                    if name == "SECRET_KEY":
                        yield Problem("SECRET_KEY is made with the other credentials", "Leave it out", path)


def _no_policies(deployment: OpenStackDeployment) -> Iterator[Problem]:
    for service in deployment.services:
        if service.name == "horizon" and deployment.policies_of(service):
            what = "the dashboard has no rules of its own: it follows those of the services"
            yield Problem(what, "Write them under the service's name, like keystone or nova", "spec.features.policies.horizon")
