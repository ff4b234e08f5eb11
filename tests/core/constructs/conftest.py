from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from stackloom import Database, Endpoint, Image, Service, ServiceUser
from stackloom.constructs.component import Component, new_app
from stackloom.constructs.context import ServiceContext
from stackloom.graph import Graph
from stackloom.incluster import read_programs
from stackloom.spec import loader
from stackloom.spec.source import Source
from tests.bad_inputs import USUAL, patched

IDENTITY = Service(
    name="keystone",
    type="identity",
    build=lambda _: None,
    endpoints=(Endpoint(service="keystone-api", port=5000, type="identity", path="/v3", public="keystone"),),
)
GLANCE = Service(
    name="glance",
    type="image",
    requires=frozenset({"identity", "database", "messaging"}),
    endpoints=(Endpoint(service="glance-api", port=9292, type="image", public="glance"),),
    images={"glance": Image("registry.example.org/glance", "1")},
    databases=(Database("glance"),),
    user=ServiceUser(name="glance"),
    conf=("glance-api",),
)


@dataclass(frozen=True)
class Built:
    """A service that was built, with what it was built in."""

    context: ServiceContext
    component: Component

    def __getitem__(self, path: str) -> dict[str, Any]:
        """The body of an object: ``built["Deployment/glance-api"]``. A Job's name is given without its hash."""
        kind, name = path.split("/")
        (found,) = [
            b for b in self.bodies(kind) if b["metadata"]["labels"].get("stackloom.io/job", b["metadata"]["name"]) == name
        ]
        return found

    def bodies(self, kind: str = "") -> list[dict[str, Any]]:
        """Every object, or those of a kind."""
        return [b for b in self.component.bodies() if kind in ("", b["kind"])]

    @property
    def names(self) -> set[str]:
        """Every object as ``Kind/name``."""
        return {f"{b['kind']}/{b['metadata']['name']}" for b in self.bodies()}

    def pod(self, path: str) -> dict[str, Any]:
        """The spec of a workload's Pods."""
        spec = self[path]["spec"]
        found: dict[str, Any] = spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]
        return found

    def container(self, path: str) -> dict[str, Any]:
        """The first main container of a workload's Pods."""
        return dict(self.pod(path)["containers"][0])

    def env(self, path: str) -> dict[str, Any]:
        """That container's environment: a text, or ``Secret/key``."""
        return {e["name"]: e["value"] if "value" in e else _secret(e) for e in self.container(path).get("env", [])}

    def waits_for(self, path: str) -> dict[str, str]:
        """What the gate of a workload is told."""
        gates = [c for c in self.pod(path)["initContainers"] if c["name"] == "gate"]
        return {e["name"]: e["value"] for gate in gates for e in gate["env"] if "value" in e}


def _secret(variable: dict[str, Any]) -> str:
    reference = variable["valueFrom"]["secretKeyRef"]
    return f"{reference['name']}/{reference['key']}"


Build = Callable[..., Built]


@pytest.fixture
def build_service(tmp_path: Path) -> Build:
    """Build the sample service (Glance, which is called publicly and requires identity, a database and a bus).

    ``build`` is the plugin's function, ``service`` what differs of the record, ``others`` further services of the cloud,
    ``spec`` what differs of the deployment.
    """

    def made(
        build: Callable[[ServiceContext], Any] = lambda _: None,
        *,
        service: dict[str, Any] | None = None,
        others: Sequence[Service] = (IDENTITY,),
        spec: dict[str, Any] | None = None,
    ) -> Built:
        sample = replace(GLANCE, build=build, **(service or {}))
        services = [sample, *others]
        data = patched(USUAL, {"spec": {"features": {"services": [s.type for s in services]}}})
        deployment = loader.load(Source.from_mapping(patched(data, {"spec": spec or {}})), services)
        component = Component(new_app(tmp_path), sample.name, namespace="openstack", level=3)
        graph = Graph(services)
        context = ServiceContext(
            deployment=deployment, service=sample, component=component, graph=graph, programs=read_programs()
        )
        build(context)
        return Built(context, component)

    return made
