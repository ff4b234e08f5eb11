"""One component of the infrastructure, built by itself for a cloud of a single service that stands on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stackloom import Service
from stackloom.constructs.component import Component, new_app
from stackloom.constructs.context import ServiceContext
from stackloom.graph import Graph
from stackloom.incluster import read_programs
from stackloom.spec import loader
from stackloom.spec.source import Source
from tests.bad_inputs import USUAL, patched
from tests.core.constructs.conftest import Built

CLIENT = Service(name="cinder", type="volume", build=lambda _: None, requires=frozenset({"cache", "coordination", "database"}))


def built(infrastructure: Service, folder: Path, **spec: Any) -> Built:
    """The component with its context; ``spec`` is what differs of the deployment, which has the size ``tiny`` otherwise."""
    services = [CLIENT, infrastructure]
    usual = patched(USUAL, {"spec": {"size": "tiny", "features": {"services": [CLIENT.type]}}})
    deployment = loader.load(Source.from_mapping(patched(usual, {"spec": spec})), services)
    component = Component(new_app(folder), infrastructure.name, namespace="openstack", level=1)
    context = ServiceContext(
        deployment=deployment, service=infrastructure, component=component, graph=Graph(services), programs=read_programs()
    )
    assert infrastructure.build is not None
    infrastructure.build(context)
    return Built(context, component)
