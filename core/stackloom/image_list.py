"""Lists of a cloud's images: for people, for programs, and for the tools that copy them to a registry of one's own."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

import yaml

from stackloom.checks.images import UsedImage
from stackloom.errors import Problem, StackloomError
from stackloom.images import moved, registry_and_path


class Format(Enum):
    """How images are listed."""

    TABLE = "table"
    JSON = "json"
    CRANE = "crane"
    SKOPEO = "skopeo"
    SKOPEO_SYNC = "skopeo-sync"


def text(how: Format, used: Callable[[str | None], Sequence[UsedImage]], registry: str | None, target: str | None) -> str:
    """The list of a cloud's images.

    ``used`` gives the images when the cloud takes them from a registry (None: from where they are published), ``registry`` is the
    one that it takes them from, ``target`` where they are to be copied. StackloomError where they are, and it is missing.
    """
    match how:
        case Format.TABLE:
            return table(used(registry))
        case Format.JSON:
            return as_json(used(registry))
        case Format.SKOPEO_SYNC:
            return skopeo_sync(used(None))
    if target is None:
        raise StackloomError(Problem("there is no registry to copy to", "Name it with --registry, or set spec.images.registry"))
    wanted = copies(used(None), used(target), target)
    return crane_script(wanted, target) if how is Format.CRANE else skopeo_script(wanted, target)


class Copy(NamedTuple):
    """An image that a mirror needs: ``source`` names it where it is published, by digest if that is known; ``target`` here."""

    source: str
    target: str


def copies(published: Sequence[UsedImage], mirrored: Sequence[UsedImage], registry: str) -> list[Copy]:
    """What must be copied to ``registry``: of the images ``published`` those that the same cloud takes from there.

    ``published`` are the cloud's images without a registry of its own, ``mirrored`` those with it. An image that the operator
    names in ``values.images`` is the same in both and is not copied.
    """
    digests = {image.name: image.digest for image in mirrored}
    found = []
    for image in published:
        target = moved(image.name, registry)
        if target in digests and target != image.name:
            found.append(Copy(_pinned(image.name, image.digest or digests[target]), target))
    return found


def _pinned(name: str, digest: str) -> str:
    """The name with the digest in the place of the tag: no tool takes both."""
    return f"{_split(name)[0]}@{digest}" if digest else name


def _split(name: str) -> tuple[str, str]:
    """Repository and tag of a name without a digest."""
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "")


def table(images: Sequence[UsedImage]) -> str:
    """One line for each image: its name, the components that run it, the roles of the nodes where it may run."""
    rows = [("IMAGE", "COMPONENTS", "NODES"), *((i.reference, ", ".join(i.components), ", ".join(_nodes(i))) for i in images)]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "".join(f"{a:{first}}  {b:{second}}  {c}\n" for a, b, c in rows)


def as_json(images: Sequence[UsedImage]) -> str:
    """The same for programs: a list of objects with ``image``, ``components`` and ``nodes``."""
    listed = [{"image": i.reference, "components": list(i.components), "nodes": _nodes(i)} for i in images]
    return json.dumps(listed, indent=2) + "\n"


def _nodes(image: UsedImage) -> list[str]:
    return [role.value for role in image.roles]


def crane_script(wanted: Sequence[Copy], registry: str) -> str:
    """A shell script that copies with crane."""
    return _script(registry, "crane", (("crane", "copy", copy.source, copy.target) for copy in wanted))


def skopeo_script(wanted: Sequence[Copy], registry: str) -> str:
    """A shell script that copies with skopeo, all architectures and unchanged, so that digests stay what they are."""
    command = ("skopeo", "copy", "--all", "--preserve-digests")
    return _script(registry, "skopeo", ((*command, f"docker://{copy.source}", f"docker://{copy.target}") for copy in wanted))


def _script(registry: str, tool: str, commands: Iterator[tuple[str, ...]]) -> str:
    head = (
        f"#!/bin/sh\n# Copies the cloud's images to {registry}. Log in there with {tool} first; it may be run again.\nset -eu\n"
    )
    return head + "".join(f"{shlex.join(words)}\n" for words in commands)


def skopeo_sync(images: Sequence[UsedImage]) -> str:
    """The images as ``skopeo sync --src yaml`` reads them: tags or digests by registry and repository."""
    listed: dict[str, dict[str, dict[str, list[str]]]] = {}
    for image in images:
        repository, tag = _split(image.name)
        registry, path = registry_and_path(repository)
        listed.setdefault(registry, {"images": {}})["images"].setdefault(path, []).append(image.digest or tag)
    return yaml.safe_dump(listed, default_flow_style=False)
