"""Horizon's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom import BySize, PodField, SecretKey, Value
from stackloom_openstack.horizon import messages, panels, settings, themes
from stackloom_openstack.horizon.features import HorizonFeatures
from stackloom_openstack.horizon.local_settings import module

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

CREDENTIAL = "horizon-secret-key"
# Horizon reads it as the module local.local_settings: from here sooner than from its own package, which has one too.
LOCAL_SETTINGS = "/etc/horizon/local/local_settings.py"
# A directory that Python takes for the package `local` without question.
PACKAGE = "/etc/horizon/local/__init__.py"
MANAGE = "/etc/horizon/manage.py"

_MANAGE = '''\
"""Commands of the dashboard. Python looks for modules beside this file first, and finds the settings."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "openstack_dashboard.settings"
execute_from_command_line(sys.argv)
'''

# What uWSGI serves by itself. Names of compressed files hold a hash of what is in them; others may change with the image.
_STATIC = {
    "python-path": "/etc/horizon",
    "static-map": f"/static={settings.STATIC}",
    "static-gzip-all": "true",
    "static-expires-uri": r"^/static/dashboard/(css|js)/.+\.[0-9a-f]{8,}\.(css|js)$ 31536000",
    "offload-threads": "2",
}


def build(ctx: ServiceContext) -> None:
    """Database of the sessions, dashboard, clean-up.

    Each Pod collects and compresses the static files for itself, before it starts: they depend on the panels and the themes
    that are chosen, so those of the image would fit no cloud but one, and Horizon fails on every page where they do not fit.
    It takes a dozen seconds of a processor, and 84 MB; a volume for all Pods would need a class of storage that many can mount,
    and a Job to be waited for.
    """
    features = ctx.features_as(HorizonFeatures)
    ctx.credential(CREDENTIAL, {"key": Value.password(64)})
    text = module(settings.sections(ctx, features), settings.statements(ctx))
    config = [
        ctx.file(
            LOCAL_SETTINGS, text, secrets={settings.SECRET_KEY: SecretKey(secret=CREDENTIAL, key="key"), **settings.secrets(ctx)}
        ),
        ctx.file(PACKAGE, '"""Settings of this cloud."""\n', key="local.py"),
        ctx.file(MANAGE, _MANAGE),
        *panels.policy_files(ctx),
        *messages.after_log_in(ctx, features),
        *messages.before_log_in(ctx, features),
    ]
    migration = ctx.migrate_database(["python3", MANAGE, "migrate", "--noinput"], config=config)
    ctx.api(
        role="dashboard",
        wsgi="openstack_dashboard.wsgi:application",
        uwsgi=_STATIC,
        config=config,
        env={"POD_IP": PodField("status.podIP")},
        init=themes.fetched(ctx, features),
        before=[
            ["python3", MANAGE, "collectstatic", "--noinput", "--verbosity=0"],
            ["python3", MANAGE, "compress", "--force"],
        ],
        writable=[settings.STATIC, themes.DIRECTORY] if themes.own_themes(features) else [settings.STATIC],
        after=[migration],
        health="/auth/login/",  # needs no session, and all that a page is made of
        replicas=BySize(tiny=2, small=3, medium=5),
        workers=BySize(single=2, tiny=2, small=4, medium=4),
    )
    ctx.clean_database(["python3", MANAGE, "clearsessions"], config=config)
