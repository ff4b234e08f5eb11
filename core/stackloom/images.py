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


# Python with the OpenStack clients and a MySQL driver: what the core's own programs run in.
TOOLBOX = openstack_image("openstack-client")
# Python alone, for the core's programs beside infrastructure, which an upgrade of OpenStack does not restart.
PYTHON = Image("docker.io/library/python", "3.13-slim-bookworm")


def _names_registry(part: str) -> bool:
    return "." in part or ":" in part or part == "localhost"


def moved(reference: str, registry: str | None) -> str:
    """``reference`` as another registry (``host[:port][/prefix]``) holds it: under the same path."""
    if not registry:
        return reference
    first, slash, rest = reference.partition("/")
    return f"{registry.rstrip('/')}/{rest if slash and _names_registry(first) else reference}"


def pinned(reference: str, digests: Mapping[str, str]) -> str:
    """``reference`` with the digest that is recorded for it, tag kept for the reader."""
    return f"{reference}@{digests[reference]}" if reference in digests and "@" not in reference else reference
