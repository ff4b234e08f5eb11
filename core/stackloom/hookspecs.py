"""The hooks of plugin API v1: the whole of what a plugin can contribute.

A plugin is a module, or any object, under the entry-point group ``stackloom.plugin.v1``. Hooks are only added within v1,
never changed: an implementation may name fewer arguments than its specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from stackloom.errors import Problem
    from stackloom.model.output import Output
    from stackloom.model.service import Service
    from stackloom.spec.deployment import OpenStackDeployment

PROJECT = "stackloom"
API_VERSION = "v1"
ENTRY_POINT_GROUP = f"{PROJECT}.plugin.{API_VERSION}"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def stackloom_services() -> Iterable[Service]:
    """The services that this plugin adds. Called once, before the deployment is read: return data, build nothing.

    ::

        @hookimpl
        def stackloom_services():
            yield Service(name="vitrage", type="root-cause", requires=frozenset({"identity"}), build=build)
    """
    raise NotImplementedError


@hookspec
def stackloom_validate(deployment: OpenStackDeployment, output: Sequence[Output]) -> Iterable[Problem]:
    """Problems in what is about to be written, found by a rule of this plugin. Called after every service is built.

    ``output`` holds every object of every component; return nothing where all is well.

    ::

        @hookimpl
        def stackloom_validate(output):
            for o in output:
                if o.kind == "Ingress" and "owner" not in o.labels:
                    yield Problem(path=o.path, what="the Ingress has no owner label", hint="Add metadata.labels.owner")
    """
    raise NotImplementedError


@hookspec
def stackloom_commands(app: typer.Typer) -> None:
    """Commands that this plugin adds to ``stackloom``. Called once, when the command line starts.

    ::

        @hookimpl
        def stackloom_commands(app):
            @app.command()
            def owners() -> None:
                "Print who owns which Ingress."
    """
    raise NotImplementedError
