"""The records that tests of manifests begin with."""

from __future__ import annotations

from typing import Any

from stackloom.manifests.pod import Container, Pod, pod_template
from stackloom.manifests.workloads import Identity

LABELS = {"application": "glance", "component": "api", "app.kubernetes.io/name": "glance", "stackloom.io/release": "gazpacho"}
SELECTOR = {"application": "glance", "component": "api"}
GLANCE = Identity(name="glance-api", namespace="openstack", labels=LABELS)


def container(name: str = "glance-api", **more: Any) -> Container:
    """A container that differs from the usual one in ``more``."""
    return Container(**{"name": name, "image": "registry.example.org/glance:1", "command": ["glance-api"], **more})


def template(*containers: Container, **more: Any) -> dict[str, Any]:
    """The Pod template of these containers, or of one usual one."""
    return pod_template(Pod(containers=list(containers) or [container()], **more), LABELS, SELECTOR)


def spec(*containers: Container, **more: Any) -> dict[str, Any]:
    """The Pod's spec."""
    found: dict[str, Any] = template(*containers, **more)["spec"]
    return found


def only(**more: Any) -> dict[str, Any]:
    """The body of the only container of a Pod, which differs from the usual one in ``more``."""
    (found,) = spec(container(**more))["containers"]
    return dict(found)
