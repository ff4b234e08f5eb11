"""Charts and objects: where the vocabulary meets cdk8s.

Each object is an ApiObject in the tree of constructs. Its body is a plain dict that stays in Python, where checks read it and
where whoever extends a component may change it in place: handing bodies to Node.js and making YAML of them there would cost more
than all the rest. So the output is written from here, as cdk8s would write it; ``app.synth()`` gives the same files.
"""

from __future__ import annotations

import stackloom.constructs.started  # noqa: F401 - before cdk8s

# isort: split
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsii
from cdk8s import ApiObject, App, Chart, JsonPatch, Yaml, YamlOutputType
from constructs import Construct

from stackloom.errors import Problem, StackloomError
from stackloom.manifests.gate import Gate
from stackloom.manifests.text import yaml_text
from stackloom.manifests.workloads import Body


class Manifest(ApiObject):
    """An object whose whole body is ``body``.

    ``gate`` is what its Pods wait for, if it has any: from it comes its place among the waves.
    """

    def __init__(self, scope: Construct, body: Body, *, gate: Gate | None = None) -> None:
        meta = body["metadata"]
        props = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {"name": meta["name"]}}
        # What ApiObject.__init__ does once it has checked the types of its arguments, which takes it as long again.
        jsii.create(type(self), self, [scope, f"{body['kind']}.{meta['name']}", props])
        self.body = body
        self.gate = gate
        self.home = scope if isinstance(scope, Chart) else None

    def add_json_patch(self, *ops: JsonPatch) -> None:
        """Patch the object as any of cdk8s. Changing ``body`` in place is simpler."""
        self.body = JsonPatch.apply(self.body, *ops)

    def to_json(self) -> Any:
        """The body, for cdk8s where it asks for it."""
        return self.body


class Component(Chart):
    """A folder of the output: the objects of one service, or of one part of the infrastructure."""

    def __init__(self, app: App, name: str, *, namespace: str, level: int, source: str = "") -> None:
        super().__init__(app, name, disable_resource_name_hashes=True)
        self.folder = name
        self.target_namespace = namespace
        self.level = level
        self.source = source
        self.manifests: list[Manifest] = []

    def add(self, body: Body, *, scope: Construct | None = None, gate: Gate | None = None) -> Manifest:
        """Add an object, under ``scope`` in the tree of constructs (the component itself, unless given)."""
        manifest = Manifest(scope or self, body, gate=gate)
        self.manifests.append(manifest)
        return manifest

    def pods(self) -> list[Body]:
        """The specifications of the Pods that objects in the component make."""
        return [pod for body in self.bodies() for pod in _pods(body)]

    def bodies(self) -> Iterator[Body]:
        """Every object in the component, whoever put it there: plugins may use any construct of cdk8s."""
        return map(body_of, outline(self)[self])


def outline(root: Construct) -> dict[Chart, list[ApiObject]]:
    """The charts from ``root`` downwards, each with the objects that are its own: those of a chart inside it are that one's."""
    tree = root.node.find_all()
    found: dict[Chart, list[ApiObject]] = {thing: [] for thing in tree if isinstance(thing, Chart)}
    for thing in tree:
        if isinstance(thing, ApiObject):
            home = thing.home if isinstance(thing, Manifest) else None
            found[home or thing.chart].append(thing)
    return found


def body_of(thing: ApiObject) -> Body:
    """The body of any object of cdk8s."""
    body: Body = thing.body if isinstance(thing, Manifest) else thing.to_json()
    return body


def _pods(body: Body) -> Iterator[Body]:
    spec = body.get("spec") or {}
    if body["kind"] == "Pod":
        yield spec
    elif "template" in spec or "jobTemplate" in spec:
        yield spec.get("jobTemplate", body)["spec"].get("template", {}).get("spec", {})


def new_app(outdir: Path) -> App:
    """An app that writes ``<component>/<Kind>.<name>.yaml`` under ``outdir``."""
    layout = YamlOutputType.FOLDER_PER_CHART_FILE_PER_RESOURCE
    return App(outdir=str(outdir), yaml_output_type=layout, output_file_extension=".yaml")


def manifest_text(body: Body) -> str:
    """An object's YAML, as cdk8s writes it."""
    text = yaml_text(body)
    return Yaml.stringify(body) if text is None else text


def validate(app: App) -> None:
    """Have cdk8s run the validations that constructs anywhere in the tree were given (``node.add_validation``).

    Raises StackloomError with what they find.
    """
    probe = Chart(app, "validation")  # any chart would do: cdk8s validates the whole tree before it gives one's objects
    try:
        probe.to_json()
    except RuntimeError as error:
        _, *found = str(error).splitlines()
        raise StackloomError(Problem(line.strip(), "Found by a validation of a construct") for line in found) from error
    finally:
        app.node.try_remove_child("validation")
