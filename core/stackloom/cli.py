"""The command ``stackloom``. Exit status: 0 done, 1 problems (each printed on standard error), 2 a wrong command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from stackloom import database_commands, image_list, plugins
from stackloom.attribution import collecting
from stackloom.checks.images import UsedImage, used_images
from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.image_list import Format
from stackloom.infra.offered import with_infrastructure
from stackloom.option_list import options_text
from stackloom.spec.reference import reference as reference_text
from stackloom.spec.releases import LATEST, SUPPORTED
from stackloom.spec.schema import json_schema

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

app = typer.Typer(
    name="stackloom",
    help="OpenStack on Kubernetes: one typed file in, reviewable manifests out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

db = typer.Typer(
    help="Orders for the databases, as manifests: stackloom db ... | kubectl apply --server-side -f -", no_args_is_help=True
)
app.add_typer(db, name="db")

DeploymentFile = Annotated[str, typer.Argument(help="The deployment's file.", envvar="STACKLOOM_DEPLOYMENT")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead of standard output.")]


def _emit(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


@app.command()
def synth(
    deployment: DeploymentFile = "deployment.yaml",
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
    _emit(json.dumps(json_schema(with_infrastructure(plugins.load().services)), indent=2, sort_keys=True) + "\n", output)


@app.command()
def reference(output: Output = None) -> None:
    """Print the reference of every field of a deployment, as Markdown."""
    _emit(reference_text(with_infrastructure(plugins.load().services)), output)


@app.command("images")
def list_images(
    deployment: DeploymentFile = "deployment.yaml",
    format_: Annotated[
        Format,
        typer.Option("--format", "-f", help="crane and skopeo: a script that copies them; skopeo-sync: the list it reads."),
    ] = Format.TABLE,
    registry: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT][/PATH]", help="The registry to copy to. [default: spec.images.registry]")
    ] = None,
    output: Output = None,
) -> None:
    """List every image, who runs it and on which nodes; or write what copies them to a registry of yours."""
    from stackloom.app import Cloud  # noqa: PLC0415 - starts Node.js

    cloud = Cloud(deployment)

    def used(place: str | None) -> list[UsedImage]:
        """The images of this cloud when it takes them from another registry."""
        spec, own = cloud.deployment.spec, cloud.deployment.spec.images
        moved = spec.model_copy(update={"images": own.model_copy(update={"registry": place})})
        there = cloud if place == own.registry else Cloud(cloud.deployment.model_copy(update={"spec": moved}))
        return used_images(there.output())

    here = cloud.deployment.spec.images.registry
    _emit(image_list.text(format_, used, here, registry or here), output)


@app.command("options")
def list_options(
    service: Annotated[str, typer.Argument(help="The service, like keystone.")],
    pattern: Annotated[str, typer.Argument(help="Part of an option's name or of group.name, or a pattern like 'token.*'.")] = "",
    release: Annotated[str, typer.Option(help="The release of OpenStack.")] = LATEST,
) -> None:
    """Show the options of a service's configuration, with their defaults and what they are for."""
    offered = {s.name: s for s in with_infrastructure(plugins.load().services)}
    if service not in offered:
        raise StackloomError(Problem(f"no service is called {service!r}", did_you_mean(service, offered)))
    if release not in SUPPORTED:
        raise StackloomError(Problem(f"{release!r} is no release that is supported", did_you_mean(release, SUPPORTED)))
    sys.stdout.write(options_text(offered[service], release, pattern))


@db.command("force-bootstrap")
def force_bootstrap(
    pod: Annotated[str, typer.Argument(help="The server whose data are to be those of all, like mariadb-server-1.")],
    deployment: DeploymentFile = "deployment.yaml",
    output: Output = None,
) -> None:
    """Order the databases to start from one server's data, although others may hold newer ones: what only those hold is lost."""
    _emit_objects(database_commands.force_bootstrap(_databases(deployment), pod), output)


@db.command()
def restore(
    to: Annotated[str, typer.Option("--to", help="A time like 2026-01-02T03:04:05Z, a backup's id, or latest.")],
    deployment: DeploymentFile = "deployment.yaml",
    output: Output = None,
) -> None:
    """A Job that restores all databases, to any moment that backups and binary logs cover. What was written since is lost."""
    _emit_objects(database_commands.restore(_databases(deployment), to), output)


def _databases(deployment: str) -> ServiceContext:
    from stackloom.app import Cloud  # noqa: PLC0415 - starts Node.js

    return Cloud(deployment).context("mariadb")


def _emit_objects(objects: Iterable[Mapping[str, Any]], output: Path | None) -> None:
    from stackloom.constructs.component import manifest_text  # noqa: PLC0415 - starts Node.js

    _emit("---\n".join(manifest_text(dict(body)) for body in objects), output)


@app.command("plugins")
def list_plugins() -> None:
    """List the installed plugins and the services that they add."""
    loaded = plugins.load()
    for origin in loaded.origins:
        added = [s for s in loaded.services if loaded.origin_of(s.name) == origin]
        for service in added:
            state = "" if service.build else "  (modelled, not built yet)"
            sys.stdout.write(f"{service.name:12} {service.type:16} {origin}{state}\n")
        if not added:
            sys.stdout.write(f"{'-':12} {'-':16} {origin}\n")


def _add_commands_of_plugins(own: Set[str]) -> list[Problem]:
    """Add the plugins' commands to the ``own`` ones; what is wrong with any plugin is returned."""
    problems: list[Problem] = []
    with collecting(problems):
        loaded, taken = plugins.load(), {*own, *_groups()}
        loaded.ask("stackloom_commands", object, problems, app=app)
        for command in app.registered_commands[len(own) :]:
            name = _name_of(command)
            if name in taken:
                source = str(loaded.author_of(command.callback) or command.callback.__module__) if command.callback else ""
                problems.append(Problem(f"the command {name!r} is there already", "Give it another name", source=source))
                app.registered_commands.remove(command)
            taken.add(name)
    return problems


def _name_of(command: CommandInfo) -> str:
    return command.name or (get_command_name(command.callback.__name__) if command.callback else "")


def _groups() -> set[str]:
    return {group.name for group in app.registered_groups if group.name}


def main() -> None:
    """Run the command line; problems are printed one a line, never as a traceback.

    A broken plugin stops the commands of plugins here. The program's own load what they need themselves: without the plugins
    that the deployment leaves out, for one.
    """
    own = {_name_of(command) for command in app.registered_commands}
    try:
        problems = _add_commands_of_plugins(own)
        if problems and next((word for word in sys.argv[1:] if not word.startswith("-")), None) not in {None, *own, *_groups()}:
            raise StackloomError(problems)
        app()
    except StackloomError as error:
        for problem in error.problems:
            sys.stderr.write(f"error: {problem}\n")
        sys.exit(1)
