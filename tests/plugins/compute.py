"""Clouds with Nova for tests, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from configparser import ConfigParser
from typing import Any

from stackloom import Output
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]

FEATURES: dict[str, Any] = {
    "nova": {"live_migration_interface": "ens4"},
    "neutron": {
        "tunnel_interface": "ens5",
        "floating_network": {"enabled": False},
        "external_networks": [
            {"physnet": "physnet2", "interface": "ens7", "bridge": "br-phy2", "network_types": ["vlan"], "vlan_ranges": "10:20"}
        ],
    },
}
SERVICES = ["compute", "identity", "image", "networking", "placement"]


def cloud(features: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small cloud with Nova and what it requires, with what differs."""
    data = patched(USUAL, {"spec": {"size": "small", "features": {**FEATURES, "services": SERVICES}}})
    return patched(data, {"spec": {**spec, "features": features or {}}})


def on_nodes(**labels: dict[str, Any]) -> dict[str, Any]:
    """``spec.nodes``, with the features of nodes whose label ``rack`` has that value."""
    return {f"rack::{value}": {"features": features} for value, features in labels.items()}


class Made:
    """The objects of a cloud, by kind and name."""

    def __init__(self, output: Iterable[Output], component: str) -> None:
        self.bodies = {f"{o.kind}/{o.name}": o.body for o in output if o.component == component}
        self._component = component

    def pod(self, name: str) -> dict[str, Any]:
        """The Pod of a workload (``DaemonSet/nova-compute``), or of the one Job whose name starts so."""
        (body,) = (b for n, b in self.bodies.items() if n == name or (name.startswith("Job/") and n.rpartition("-")[0] == name))
        template: dict[str, Any] = body["spec"].get("jobTemplate", body)["spec"]["template"]
        return template["spec"]  # type: ignore[no-any-return]

    def container(self, workload: str, name: str = "") -> dict[str, Any]:
        """A container of a workload, the first unless it is named."""
        pod = self.pod(workload)
        every = [*pod["containers"], *pod.get("initContainers", ())]
        return next(c for c in every if c["name"] == (name or every[0]["name"]))

    def file(self, key: str) -> str:
        """A file of the component's configuration."""
        return str(self.bodies[f"ConfigMap/{self._component}-etc"]["data"][key])

    def conf(self, key: str) -> dict[str, dict[str, str]]:
        """A file of oslo.config; of an option with several lines the last."""
        parser = ConfigParser(interpolation=None, strict=False, default_section="")
        parser.read_string(self.file(key))
        return {section: dict(parser[section]) for section in parser.sections()}


def env_of(container: dict[str, Any]) -> dict[str, Any]:
    """A container's variables: texts, and references to keys of Secrets as pairs."""

    def value(entry: dict[str, Any]) -> Any:
        key = entry.get("valueFrom", {}).get("secretKeyRef")
        return (key["name"], key["key"]) if key else entry.get("value", entry.get("valueFrom"))

    return {entry["name"]: value(entry) for entry in container.get("env", ())}
