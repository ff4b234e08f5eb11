"""From an image's role to the reference in a manifest: the operator's own, another registry, a digest."""

from __future__ import annotations

from collections.abc import Mapping

from stackloom.fields import Release
from stackloom.model.image import Image

_OPENSTACK_TAGS: Mapping[Release, str] = {
    "epoxy": "2025.1-ubuntu_noble",
    "flamingo": "2025.2-ubuntu_noble",
    "gazpacho": "2026.1-ubuntu_noble",
}


def openstack_image(project: str) -> Image:
    """The published image of an OpenStack project, with a tag for each release."""
    return Image(f"quay.io/airshipit/{project}", tags=_OPENSTACK_TAGS)


_KOLLA_TAGS: Mapping[Release, str] = {
    "epoxy": "2025.1-ubuntu-noble",
    "flamingo": "2025.2-ubuntu-noble",
    "gazpacho": "2026.1-ubuntu-noble",
}


def kolla_image(name: str) -> Image:
    """The published image of Kolla, with a tag for each release: for projects that have none of their own beside the others."""
    return Image(f"quay.io/openstack.kolla/{name}", tags=_KOLLA_TAGS)


# Python with the OpenStack clients and a MySQL driver: what the core's own programs run in.
TOOLBOX = openstack_image("openstack-client")
# Python alone, for the core's programs beside infrastructure, which an upgrade of OpenStack does not restart.
PYTHON = Image("docker.io/library/python", "3.13-slim-bookworm")
# What ends TLS in the Pods of APIs.
TLS_PROXY = Image("docker.io/library/haproxy", "3.2")
# The core's own images by the role under which any service may ask for them.
ROLES: Mapping[str, Image] = {"toolbox": TOOLBOX, "python": PYTHON, "tls-proxy": TLS_PROXY}


def registry_and_path(reference: str) -> tuple[str, str]:
    """The registry of an image, which is Docker Hub where it names none, and the rest of the reference."""
    first, slash, rest = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return "docker.io", reference


def moved(reference: str, registry: str | None) -> str:
    """``reference`` as another registry (``host[:port][/prefix]``) holds it: under the same path."""
    return f"{registry.rstrip('/')}/{registry_and_path(reference)[1]}" if registry else reference


def pinned(reference: str, digests: Mapping[str, str]) -> str:
    """``reference`` with the digest that is recorded for it, tag kept for the reader."""
    return f"{reference}@{digests[reference]}" if reference in digests and "@" not in reference else reference


def placed(reference: str, registry: str | None, digests: Mapping[str, str]) -> str:
    """``reference`` as manifests name it: at another registry, and with its digest, recorded under this name or that one."""
    return pinned(moved(pinned(reference, digests), registry), digests)
