"""Volumes of a Pod as a kubelet makes them: owned by the group of the Pod, and swapped as a whole when they change."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.real.boot.resolve import NotThereError, Sources, pod_field
from tests.real.cluster import Object

Files = dict[str, tuple[bytes, int]]

CURRENT = "..data"
WRITABLE, OURS, DIRECTORY = 0o2777, 0o3777, 0o2755


@dataclass
class Volumes:
    """The volumes of a Pod, below ``directory``; ``claims`` has those that outlive it, ``host`` stands for the node's own."""

    pod: Object
    sources: Sources
    directory: Path
    claims: Path
    host: Path
    _written: dict[str, Files] = field(default_factory=dict)

    @property
    def shares(self) -> Path:
        """What stands for the shares of all NFS servers."""
        return self.host / "shares"

    @property
    def _group(self) -> int:
        return int(self.pod["spec"].get("securityContext", {}).get("fsGroup", 0))

    def write(self) -> None:
        """Make all that are not there yet, and renew what has changed since. NotThereError where something is still to come."""
        wanted = [(volume["name"], self._content(volume)) for volume in self.pod["spec"].get("volumes") or ()]
        for name, content in wanted:
            if content is None:
                self._directory(self._root(name)) if self._holds_files(name) else self._file(self._root(name))
            elif self._written.get(name) != content:
                self._swap(self._root(name), content)
                self._written[name] = content

    def source(self, mount: Object) -> Path:
        """What is mounted for a ``volumeMount``."""
        root = self._root(mount["name"])
        path = root / mount["subPath"] if "subPath" in mount else root
        if mount["name"] not in self._written:
            self._directory(path) if self._holds_files(mount["name"]) else self._file(path)
        return path.resolve()

    def is_read_only(self, mount: Object) -> bool:
        """Whether a container may not write there: as the mount says, and wherever a kubelet writes."""
        return bool(mount.get("readOnly")) or mount["name"] in self._written

    def _root(self, name: str) -> Path:
        (volume,) = (v for v in self.pod["spec"]["volumes"] if v["name"] == name)
        if claim := volume.get("persistentVolumeClaim"):
            return self.claims / str(claim["claimName"])
        if share := volume.get("nfs"):
            return self.shares / f"{share['server']}:{share['path']}".replace("/", "_")
        if place := volume.get("hostPath"):
            return self._of_node(Path(place["path"]))
        return self.directory / name

    def _of_node(self, path: Path) -> Path:
        """Devices and what the kernel shows are this machine's; all else that a node holds begins empty."""
        return path if path.is_relative_to("/dev") or path.is_relative_to("/sys") else self.host / path.relative_to("/")

    def _holds_files(self, name: str) -> bool:
        (volume,) = (v for v in self.pod["spec"]["volumes"] if v["name"] == name)
        return volume.get("hostPath", {}).get("type") not in ("File", "FileOrCreate")

    def _file(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def _directory(self, path: Path) -> None:
        if not path.exists():
            path.mkdir(parents=True)
            os.chown(path, 0, self._group)
            path.chmod(WRITABLE)

    def _content(self, volume: Object) -> Files | None:
        """The files of a volume that a kubelet writes; None for one that containers write."""
        name = volume["name"]
        ((kind, source),) = ((key, value) for key, value in volume.items() if key != "name")
        if kind in ("emptyDir", "persistentVolumeClaim", "hostPath", "nfs"):
            return None
        if kind == "projected":
            mode = source.get("defaultMode", 0o644)
            return {path: file for one in source["sources"] for path, file in self._projected(one, mode).items()}
        if kind in ("configMap", "secret"):
            same = {**source, "name": source.get("name") or source.get("secretName")}
            return self._projected({kind: same}, source.get("defaultMode", 0o644))
        raise NotImplementedError(f"volume {name} of Pod {self.pod['metadata']['name']}: {kind}")

    def _projected(self, source: Object, mode: int) -> Files:
        ((kind, wanted),) = source.items()
        match kind:
            case "configMap" | "secret":
                return self._keys("Secret" if kind == "secret" else "ConfigMap", wanted, mode)
            case "serviceAccountToken":
                return {wanted["path"]: (self.sources.token(self.pod, wanted["expirationSeconds"]), mode)}
            case "downwardAPI":
                fields = {item["path"]: item["fieldRef"]["fieldPath"] for item in wanted["items"]}
                return {path: (pod_field(self.pod, where).encode(), mode) for path, where in fields.items()}
        raise NotImplementedError(f"projected volume of Pod {self.pod['metadata']['name']}: {kind}")

    def _keys(self, kind: str, wanted: Object, mode: int) -> Files:
        try:
            data = self.sources.data(kind, wanted["name"])
        except NotThereError:
            if wanted.get("optional"):
                return {}
            raise
        items = wanted.get("items") or [{"key": key, "path": key} for key in data]
        if lacking := [item["key"] for item in items if item["key"] not in data]:
            raise NotThereError(f"no key {', '.join(lacking)} in the {kind} {wanted['name']}")
        return {item["path"]: (data[item["key"]], item.get("mode", mode)) for item in items}

    def _swap(self, root: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
        """Write the files beside the old ones and let one link show the new: nobody sees half of a change."""
        fresh = root / f"..{uuid.uuid4().hex}"
        fresh.mkdir(parents=True)
        for path, (content, mode) in files.items():
            file = fresh / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            os.chown(file, 0, self._group)
            file.chmod(mode)
        for directory in [root, fresh, *(p for p in fresh.rglob("*") if p.is_dir())]:
            os.chown(directory, 0, self._group)
            directory.chmod(OURS if directory == root else DIRECTORY)
        current = root / CURRENT
        before = current.resolve() if current.is_symlink() else None
        (root / "..next").symlink_to(fresh.name)
        (root / "..next").rename(current)
        first = {Path(path).parts[0] for path in files}
        for name in first:
            if not (root / name).is_symlink():
                (root / name).symlink_to(f"{CURRENT}/{name}")
        for gone in [p for p in root.iterdir() if not p.name.startswith("..") and p.name not in first]:
            gone.unlink()
        if before:
            shutil.rmtree(before)
