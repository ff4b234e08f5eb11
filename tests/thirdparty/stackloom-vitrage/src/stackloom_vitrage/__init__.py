"""Vitrage, OpenStack's root cause analysis, as a plugin for Stackloom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from stackloom import Database, Endpoint, Output, Problem, Service, ServiceUser, hookimpl, openstack_image
from stackloom_vitrage.build import build
from stackloom_vitrage.features import VitrageFeatures, VitrageNodeFeatures, rules

if TYPE_CHECKING:
    import typer


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Vitrage."""
    yield Service(
        name="vitrage",
        type="root-cause",
        build=build,
        features=VitrageFeatures,
        node_features=VitrageNodeFeatures,
        rules=rules,
        requires=frozenset({"identity", "database", "cache"}),
        uses=frozenset({"compute", "networking"}),
        endpoints=(Endpoint(service="vitrage-api", port=8999, type="rca", public="vitrage"),),
        images={"vitrage": openstack_image("vitrage")},
        databases=(Database("vitrage"),),
        user=ServiceUser(name="vitrage"),
        conf=("vitrage",),
    )


@hookimpl
def stackloom_validate(output: Sequence[Output]) -> Iterator[Problem]:
    """Every node sends its traps to a port of its own machine: two listeners on one node would fight for it."""
    for o in output:
        if o.component != "vitrage" and o.kind == "DaemonSet" and "snmp" in o.name:
            yield Problem("listens for SNMP traps beside Vitrage", "Leave one of them out", path=o.path)


@hookimpl
def stackloom_commands(app: typer.Typer) -> None:
    """Add ``stackloom vitrage-template``."""
    import typer

    @app.command("vitrage-template")
    def template(name: str) -> None:
        """Print the beginning of a template for Vitrage."""
        typer.echo(f"metadata:\n  version: 3\n  type: standard\n  name: {name}")
