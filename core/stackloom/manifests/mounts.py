"""What a container sees of volumes that the vocabulary has no word for: directories of its node, claims."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, Literal

from stackloom.names import slug

Propagation = Literal["", "HostToContainer", "Bidirectional"]
HostKind = Literal["", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket", "CharDevice"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A volume, as a container sees it at ``path``. ``body`` is the volume's own; mounts of the same body share a volume.

    ``propagation`` says which of the mounts that are made below it later are seen: in here those of the node
    (``HostToContainer``), or on the node those made in here as well (``Bidirectional``, for a privileged container).
    """

    path: str
    body: Mapping[str, Any]
    read_only: bool = False
    propagation: Propagation = ""

    @classmethod
    def host(
        cls, path: str, *, at: str = "", kind: HostKind = "", read_only: bool = False, propagation: Propagation = ""
    ) -> Mount:
        """A directory, a file or a device of the node, seen at the same path or ``at`` another; ``kind`` is what it must be."""
        source = {"path": path, **({"type": kind} if kind else {})}
        return cls(path=at or path, body={"hostPath": source}, read_only=read_only, propagation=propagation)

    @classmethod
    def claim(cls, path: str, name: str, *, read_only: bool = False) -> Mount:
        """What a PersistentVolumeClaim holds."""
        return cls(path=path, body={"persistentVolumeClaim": {"claimName": name}}, read_only=read_only)

    @classmethod
    def huge_pages(cls, path: str, size: str) -> Mount:
        """Memory in pages of this size (``2Mi``), which the container's resources must ask for."""
        return cls(path=path, body={"emptyDir": {"medium": f"HugePages-{size}"}})

    def mounted(self, volume: str) -> dict[str, Any]:
        """Its part of a container, with the name that the volume got."""
        flags = {"readOnly": True} if self.read_only else {}
        return {
            "name": volume,
            "mountPath": self.path,
            **flags,
            **({"mountPropagation": self.propagation} if self.propagation else {}),
        }


# What attaches volumes sees of its node: devices, and what its iSCSI, NVMe and multipath daemons go by. Those do the work.
BLOCK_STORAGE = (
    Mount.host("/dev"),
    Mount.host("/run/udev", kind="DirectoryOrCreate", read_only=True),
    Mount.host("/lib/modules", read_only=True),
    Mount.host("/etc/iscsi", kind="DirectoryOrCreate"),
    Mount.host("/var/lib/iscsi", kind="DirectoryOrCreate"),
    Mount.host("/etc/nvme", kind="DirectoryOrCreate"),
    Mount.host("/etc/multipath", kind="DirectoryOrCreate"),
)


def named_volumes(mounts: Iterable[Mount], taken: Collection[str]) -> list[dict[str, Any]]:
    """The volumes behind ``mounts``, each once, with names of their paths that none of ``taken`` has."""
    volumes: list[dict[str, Any]] = []
    for mount in mounts:
        if any({**mount.body, "name": known["name"]} == known for known in volumes):
            continue
        base = slug(mount.path.strip("/").replace("/", "-").replace("_", "-").replace(".", "-") or "root")
        names = {*taken, *(known["name"] for known in volumes)}
        free = next(name for name in chain([base], (f"{base}-{i}" for i in count(2))) if name not in names)
        volumes.append({"name": free, **mount.body})
    return volumes


def volume_of(mount: Mount, volumes: Iterable[Mapping[str, Any]]) -> str:
    """The name of the volume behind ``mount``."""
    return next(str(known["name"]) for known in volumes if {**mount.body, "name": known["name"]} == known)
