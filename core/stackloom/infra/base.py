"""What every component leans on: the in-cluster programs and the right to wait for others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stackloom.incluster import PROGRAMS_CONFIG_MAP
from stackloom.infra.network import default_deny
from stackloom.manifests import objects
from stackloom.manifests.workloads import Identity

if TYPE_CHECKING:
    from stackloom.constructs.component import Component

# All accounts of the namespace may look at what gates look at, and at nothing else: one Role instead of one for each Pod.
_GATE_RULES = (
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]},
)


def build_base(component: Component, labels: Mapping[str, str], programs: Mapping[str, str], *, closed: bool) -> None:
    """Add the ConfigMap with the programs, the Role of the gates and, if ``closed``, the policy that others open."""
    namespace = component.target_namespace
    component.add(objects.config_map(Identity(name=PROGRAMS_CONFIG_MAP, namespace=namespace, labels=labels), programs))
    gate = Identity(name="stackloom-gate", namespace=namespace, labels=labels)
    component.add(objects.role(gate, _GATE_RULES))
    accounts = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": f"system:serviceaccounts:{namespace}"}
    component.add(objects.role_binding(gate, [accounts]))
    if closed:
        component.add(default_deny(Identity(name="default-deny", namespace=namespace, labels=labels)))
