"""Messages of the day. Horizon itself has them behind the log-in only; those before it are a template of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackloom import ConfigFile
    from stackloom.constructs.context import ServiceContext
    from stackloom_openstack.horizon.features import HorizonFeatures, MessageOfTheDay

MESSAGES, TEMPLATES = "/etc/horizon/messages", "/etc/horizon/templates"
_COLOURS = {"success": "success", "info": "info", "warning": "warning", "error": "danger"}
_LOG_IN = """\
{{% extends "auth/login.html" %}}
{{% block content %}}
{alerts}
{{{{ block.super }}}}
{{% endblock %}}
"""


def after_log_in(ctx: ServiceContext, features: HorizonFeatures) -> list[ConfigFile]:
    """A file for each message that is shown behind the log-in, in the order of their names."""
    return [
        ctx.file(f"{MESSAGES}/{name}.json", json.dumps({"level": m.level, "message": m.message}) + "\n", key=f"motd-{name}.json")
        for name, m in sorted(features.motd.items())
        if m.afterLogin
    ]


def before_log_in(ctx: ServiceContext, features: HorizonFeatures) -> list[ConfigFile]:
    """The log-in page with messages above it; nothing where there are none."""
    alerts = [_alert(message) for _, message in sorted(features.motd.items()) if message.beforeLogin]
    if not alerts:
        return []
    return [ctx.file(f"{TEMPLATES}/auth/login.html", _LOG_IN.format(alerts="\n".join(alerts)))]


def _alert(message: MessageOfTheDay) -> str:
    """Messages are HTML, as they are behind the log-in; to Django's templates braces would be more than that."""
    text = message.message.replace("{", "&#123;")
    return f'<div class="alert alert-{_COLOURS[message.level]} text-center">{text}</div>'
