"""What is about to be written: the objects of all components, as checks see them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_AWKWARD = re.compile(r"[^0-9a-zA-Z-_.]")


@dataclass(frozen=True, slots=True)
class Output:
    """One object of Kubernetes and where it comes from.

    ``component`` is its folder in ``dist/``; ``source`` names the plugin (with distribution and version) that made it, and
    is empty for the core's own. ``foreign`` marks what stands in a chart of the operator's own. ``body`` is the whole object and
    must not be changed.
    """

    component: str
    body: Mapping[str, Any]
    source: str = ""
    foreign: bool = False

    @property
    def kind(self) -> str:
        """The object's kind, or "" where it has none."""
        return str(self.body.get("kind", ""))

    @property
    def name(self) -> str:
        """The object's name, or "" where it has none."""
        return str(self.body.get("metadata", {}).get("name", ""))

    @property
    def namespace(self) -> str:
        """The object's namespace; "" for one that has none."""
        return str(self.body.get("metadata", {}).get("namespace", ""))

    @property
    def labels(self) -> Mapping[str, str]:
        """The object's own labels."""
        labels: Mapping[str, str] = self.body.get("metadata", {}).get("labels", {})
        return labels

    @property
    def file(self) -> str:
        """Its file in the output: ``keystone/Deployment.keystone-api.yaml``, without what is awkward in names of files."""
        return f"{self.component}/{_AWKWARD.sub('', f'{self.kind}.{self.name}')}.yaml"

    @property
    def path(self) -> str:
        """Where it stands: ``keystone/Deployment/keystone-api``."""
        return f"{self.component}/{self.kind}/{self.name}"
