"""Files in a container: pieces of ConfigMaps and Secrets, brought together in the directories where programs look.

Files of one directory come from one projected volume, whatever they are pieces of, because a second mount inside a
read-only one has no directory to be mounted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from posixpath import dirname
from typing import Any

from stackloom.model.conf import NODE_MARK
from stackloom.model.credential import SecretKey
from stackloom.names import slug


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file at ``path`` whose ``text`` stands in the ConfigMap ``config_map`` under ``key``.

    A change of it rolls the Pods that read it, unless ``rolls`` says that they notice it themselves. ``secrets`` are variables
    for the containers that read it: options that must not stand in its text.
    """

    path: str
    config_map: str
    key: str
    text: str
    mode: int | None = None
    rolls: bool = True
    secrets: Mapping[str, SecretKey] = field(default_factory=dict)

    @property
    def checksum_of(self) -> str:
        """What the checksum on the Pod covers."""
        return self.text if self.rolls else ""

    @property
    def differs_by_node(self) -> bool:
        """Whether something stands in it that each node has another value of."""
        return NODE_MARK in self.text

    @property
    def directory(self) -> str:
        """The directory it is seen in."""
        return dirname(self.path)

    def source(self, directory: str) -> dict[str, Any]:
        """Its part of the projected volume that is mounted at ``directory``."""
        item: dict[str, Any] = {"key": self.key, "path": _relative(self.path, directory)}
        if self.mode is not None:
            item["mode"] = self.mode
        return {"configMap": {"name": self.config_map, "items": [item]}}


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file at ``path`` that holds the value of one key of a Secret."""

    path: str
    secret: str
    key: str
    checksum_of: str = ""

    @property
    def directory(self) -> str:
        """The directory it is seen in."""
        return dirname(self.path)

    def source(self, directory: str) -> dict[str, Any]:
        """Its part of the projected volume that is mounted at ``directory``."""
        item = {"key": self.key, "path": _relative(self.path, directory)}
        return {"secret": {"name": self.secret, "items": [item]}}


@dataclass(frozen=True, slots=True)
class SecretDirectory:
    """A directory at ``path`` with a file for each key of a Secret, which follows the Secret as its keys come and go."""

    path: str
    secret: str
    checksum_of: str = ""

    @property
    def directory(self) -> str:
        """The directory itself."""
        return self.path

    def source(self, directory: str) -> dict[str, Any]:
        """Its part of the projected volume that is mounted at ``directory``."""
        if directory != self.path:
            msg = f"the Secret {self.secret} cannot be mounted at {self.path}, inside {directory}"
            raise ValueError(msg)
        return {"secret": {"name": self.secret}}


File = ConfigFile | SecretFile | SecretDirectory


def _is_inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")


def _relative(path: str, directory: str) -> str:
    return path[len(directory) :].lstrip("/")


def _roots(files: Sequence[File]) -> list[str]:
    """The directories to mount: of nested ones the outermost."""
    directories = sorted({f.directory for f in files})
    return [d for d in directories if not any(d != o and _is_inside(d, o) for o in directories)]


def _merged(sources: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items of one ConfigMap or Secret under one source, sources and items in a stable order."""
    by_owner: dict[tuple[str, str], dict[str, Any]] = {}
    for source in sources:
        ((kind, body),) = source.items()
        known = by_owner.setdefault((kind, body["name"]), {"name": body["name"]})
        if "items" in body:
            known["items"] = sorted([*known.get("items", []), *body["items"]], key=lambda item: str(item["path"]))
    return [{kind: body} for (kind, _), body in sorted(by_owner.items())]


def mounts_and_volumes(files_by_container: Sequence[Sequence[File]]) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
    """The mounts of each container and the volumes of the Pod, for the files that each container reads.

    Containers that read the same files of a directory share a volume; others get one of their own, so that no container sees
    a secret that is not its business.
    """
    volumes: dict[str, dict[str, Any]] = {}
    mounts: list[list[dict[str, Any]]] = []
    for files in files_by_container:
        own = []
        for root in _roots(files):
            inside = {f.path: f for f in files if _is_inside(f.directory, root)}
            body = {"projected": {"sources": _merged([f.source(root) for f in inside.values()]), "defaultMode": 0o440}}
            base = slug(root.strip("/").replace("/", "-").replace("_", "-").replace(".", "-"))
            names = chain([base], (f"{base}-{i}" for i in count(2)))
            name = next(n for n in names if volumes.get(n, body) == body)
            volumes[name] = body
            own.append({"name": name, "mountPath": root, "readOnly": True})
        mounts.append(own)
    return mounts, [{"name": name, **body} for name, body in volumes.items()]
