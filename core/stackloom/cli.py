"""The command ``stackloom``. Exit status: 0 done, 1 problems (each printed on standard error), 2 a wrong command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from stackloom import plugins
from stackloom.errors import StackloomError
from stackloom.spec.reference import reference as reference_text
from stackloom.spec.schema import json_schema

app = typer.Typer(
    name="stackloom",
    help="OpenStack on Kubernetes: one typed file in, reviewable manifests out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead of standard output.")]


def _emit(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


@app.command()
def synth(
    deployment: Annotated[str, typer.Argument(help="The deployment's file.", envvar="STACKLOOM_DEPLOYMENT")] = "deployment.yaml",
    allow_removal: Annotated[
        list[str] | None,
        typer.Option("--allow-removal", metavar="COMPONENT", help="Let this component leave the output. May be repeated."),
    ] = None,
) -> None:
    """Write the manifests to dist/ (or CDK8S_OUTDIR). A main.py of your own does the same, and whatever you add."""
    from stackloom.app import Cloud, report  # noqa: PLC0415 - starts Node.js, which no other command needs

    cloud = Cloud(deployment)
    report(cloud.synth(allow_removal=allow_removal or ()), cloud)


@app.command()
def schema(output: Output = None) -> None:
    """Print the JSON Schema of a deployment, with the installed plugins' parts: for editors."""
    _emit(json.dumps(json_schema(plugins.load().services), indent=2, sort_keys=True) + "\n", output)


@app.command()
def reference(output: Output = None) -> None:
    """Print the reference of every field of a deployment, as Markdown."""
    _emit(reference_text(plugins.load().services), output)


@app.command("plugins")
def list_plugins() -> None:
    """List the installed plugins and the services that they add."""
    loaded = plugins.load()
    for service in loaded.services:
        state = "" if service.build else "  (modelled, not built yet)"
        sys.stdout.write(f"{service.name:12} {service.type:16} {loaded.origin_of(service.name)}{state}\n")


def main() -> None:
    """Run the command line; problems are printed one a line, never as a traceback."""
    try:
        for _ in plugins.load().ask("stackloom_commands", app=app):
            pass
        app()
    except StackloomError as error:
        for problem in error.problems:
            sys.stderr.write(f"error: {problem}\n")
        sys.exit(1)
