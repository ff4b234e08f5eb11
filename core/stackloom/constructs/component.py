"""Charts and objects: where the vocabulary meets cdk8s.

An object's body is a plain dict that stays in Python until cdk8s writes it: one crossing into Node.js to declare it, one
to hand it over. Until then it may be read and changed in place, by checks and by whoever extends a component.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cdk8s import ApiObject, ApiObjectMetadata, App, Chart, JsonPatch, YamlOutputType
from constructs import Construct

from stackloom.manifests.gate import Gate
from stackloom.manifests.workloads import Body


class Manifest(ApiObject):
    """An object whose whole body is ``body``.

    ``gate`` is what its Pods wait for, if it has any: from it comes its place among the waves.
    """

    def __init__(self, scope: Construct, body: Body, *, gate: Gate | None = None) -> None:
        meta = body["metadata"]
        super().__init__(
            scope,
            f"{body['kind']}.{meta['name']}",
            api_version=body["apiVersion"],
            kind=body["kind"],
            metadata=ApiObjectMetadata(name=meta["name"], namespace=meta.get("namespace")),
        )
        self.body = body
        self.gate = gate

    def add_json_patch(self, *ops: JsonPatch) -> None:
        """Patch the object as any of cdk8s. Changing ``body`` in place is simpler."""
        self.body = JsonPatch.apply(self.body, *ops)

    def to_json(self) -> Any:
        """The body, for cdk8s to write."""
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

    def bodies(self) -> Iterator[Body]:
        """Every object in the component, whoever put it there: plugins may use any construct of cdk8s."""
        for thing in self.node.find_all():
            if isinstance(thing, Manifest):
                yield thing.body
            elif isinstance(thing, ApiObject):
                yield thing.to_json()


def new_app(outdir: Path) -> App:
    """An app that writes ``<component>/<Kind>.<name>.yaml`` under ``outdir``."""
    layout = YamlOutputType.FOLDER_PER_CHART_FILE_PER_RESOURCE
    return App(outdir=str(outdir), yaml_output_type=layout, output_file_extension=".yaml")
