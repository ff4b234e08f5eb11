"""Brokers, built for clouds of sample services."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackloom import Service
from stackloom.constructs.component import Component, new_app
from stackloom.constructs.context import ServiceContext
from stackloom.graph import Graph
from stackloom.incluster import read_programs
from stackloom.infra.rabbitmq import NOTIFICATIONS, broker_for
from stackloom.spec import loader
from stackloom.spec.source import Source
from tests.bad_inputs import USUAL, patched

NOVA = Service(name="nova", type="compute", requires=frozenset({"messaging"}), uses=frozenset({"notifications"}))
GLANCE = Service(name="glance", type="image", uses=frozenset({"notifications"}))


@dataclass(frozen=True)
class BuiltBroker:
    """A broker that was built."""

    context: ServiceContext
    component: Component

    def body(self, kind: str, name: str = "") -> dict[str, Any]:
        """An object, by default the one of the broker's own name."""
        wanted = (kind, name or self.context.name)
        (found,) = (b for b in self.component.bodies() if (b["kind"], b["metadata"]["name"]) == wanted)
        return found

    @property
    def pod(self) -> dict[str, Any]:
        """The specification of its Pod."""
        found: dict[str, Any] = self.body("StatefulSet")["spec"]["template"]["spec"]
        return found

    def container(self, name: str) -> dict[str, Any]:
        """A container of its Pod, whether it runs first or beside others."""
        (found,) = (c for c in (*self.pod["initContainers"], *self.pod["containers"]) if c["name"] == name)
        return dict(found)

    def text(self, key: str) -> str:
        """A file of its ConfigMap."""
        return self.context.config_files[key].text

    @property
    def conf(self) -> dict[str, str]:
        """The options of its rabbitmq.conf."""
        return dict(line.split(" = ") for line in self.text("rabbitmq.conf").splitlines())

    @property
    def access(self) -> dict[str, Any]:
        """Who may use it."""
        found: dict[str, Any] = json.loads(self.text("access.json"))
        return found

    def rights(self, user: str) -> dict[str, dict[str, str]]:
        """What a user may do, by vhost."""
        (found,) = (u["permissions"] for u in self.access["users"] if u["name"] == user)
        return dict(found)


def load_cloud(*clients: Service, spec: Mapping[str, Any] | None = None) -> Any:
    """The deployment of a cloud of these services, and what else its brokers are."""
    built = [Service(**{f: getattr(c, f) for f in c.__dataclass_fields__} | {"build": lambda _: None}) for c in clients]
    brokers = [broker_for(c) for c in built if "messaging" in c.requires]
    data = patched(USUAL, {"spec": {"features": {"services": [c.type for c in clients]}}})
    return loader.load(Source.from_mapping(patched(data, {"spec": spec or {}})), [*built, *brokers, NOTIFICATIONS])


def build_broker(
    directory: Path, name: str, clients: Sequence[Service] = (NOVA, GLANCE), spec: Mapping[str, Any] | None = None
) -> BuiltBroker:
    """The broker of this name in a cloud of ``clients``; ``spec`` is what differs of the deployment."""
    deployment = load_cloud(*clients, spec=spec)
    (record,) = (s for s in deployment.services if s.name == name)
    component = Component(new_app(directory), name, namespace="openstack", level=1)
    graph = Graph(deployment.services)
    context = ServiceContext(deployment=deployment, service=record, component=component, graph=graph, programs=read_programs())
    assert record.build
    record.build(context)
    return BuiltBroker(context, component)
