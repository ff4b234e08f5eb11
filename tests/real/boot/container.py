"""A container: a process with namespaces, a root, a user, variables and mounts of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tests.real.boot.images import Image
from tests.real.boot.resolve import expand
from tests.real.boot.volumes import Volumes
from tests.real.cluster import Object

# It ends with the thread that starts it, whatever happens to that; it is process 1 of its own, and sees no mount of others.
TIED = ("setpriv", "--pdeathsig=KILL", "--")
APART = (
    "unshare",
    "--mount",
    "--propagation=private",
    "--pid",
    "--uts",
    "--fork",
    "--kill-child=KILL",
)


@dataclass
class Container:
    """One container of a Pod. ``directory`` is its own; ``files`` are laid over its image (target: a file of this machine).

    ``network`` leads to its network namespace; without one it is on the node's.
    """

    body: Object
    pod: Object
    image: Image
    volumes: Volumes
    directory: Path
    files: Mapping[str, Path]
    environment: Mapping[str, str]
    network: str = ""
    started: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    _log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._log = self.directory / "log"

    @property
    def name(self) -> str:
        """Its name in the Pod."""
        return str(self.body["name"])

    @property
    def command(self) -> list[str]:
        """The manifest's command and arguments, expanded."""
        words = [*(self.body.get("command") or ()), *(self.body.get("args") or ())]
        if not self.body.get("command"):
            raise NotImplementedError(f"container {self.name} relies on the entry point of its image")
        return [expand(word, self.environment) for word in words]

    def start(self) -> None:
        """Start its process."""
        box = self.directory / "box"
        box.mkdir(exist_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*TIED, *self._network, *self._apart, "sh", "-ec", self._script(box)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self.started = time.monotonic()

    def ended(self) -> int | None:
        """With what status its process ended; None while it runs."""
        return None if self.process is None else self.process.poll()

    def kill(self) -> None:
        """End it, and all that it has started."""
        if self.process and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def terminate(self) -> None:
        """Ask its first process to end, as a kubelet does when the Pod is deleted."""
        with suppress(ProcessLookupError, LookupError):
            os.kill(self.first_process(), signal.SIGTERM)

    def said(self) -> str:
        """What it has written to its standard streams."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def first_process(self) -> int:
        """The id, on this machine, of its process 1. LookupError when it does not run."""
        if self.process is not None:
            with suppress(OSError, StopIteration):
                children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
                return int(next(iter(children)))
        raise LookupError(f"{self.name} does not run")

    def run(self, command: Sequence[str], *, timeout: float = 60.0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as ``kubectl exec`` does. LookupError when it does not run."""
        first = self.first_process()
        inside = [
            "nsenter",
            f"--target={first}",
            "--mount",
            "--uts",
            "--pid",
            "--net",
            "--root",
            f"--wd=/proc/{first}/root",
            "--",
        ]
        return subprocess.run(
            [*inside, *self._as_user(env), *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @property
    def _apart(self) -> list[str]:
        """With processes of its own, unless its Pod shares those of the node."""
        shared = self.pod["spec"].get("hostPID")
        return [word for word in APART if not (shared and word == "--pid")]

    @property
    def _host(self) -> str:
        """What it takes for the name of its machine: its Pod's, or the node's where it has the node's network."""
        return str(self.pod["spec"]["nodeName"] if self.pod["spec"].get("hostNetwork") else self.pod["metadata"]["name"])

    @property
    def _network(self) -> list[str]:
        return ["nsenter", f"--net={self.network}", "--"] if self.network else []

    def _script(self, box: Path) -> str:
        """What makes the container of the namespaces: its root, over this machine's, and then its user and its program."""
        root = f"{box}/root"
        lines = [
            f"mount -t tmpfs -o mode=755 tmpfs {box}",
            f"mkdir {box}/over {box}/work {root}",
            f"mount -t overlay -o lowerdir=/,upperdir={box}/over,workdir={box}/work overlay {root}",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
            f"hostname {shlex.quote(self._host)}",
        ]
        for path, text in self._accounts().items():
            lines.append(f"printf %s {shlex.quote(text)} >{root}{path}")
        for target, source in self.files.items():
            lines += _mounted(root, target, source, read_only=True)
        for target, source in self.image.trees.items():
            lines += [f"chmod o+x {root}{parent}" for parent in reversed(Path(target).parents) if _is_closed(parent)]
            lines += _mounted(root, target, source, read_only=True)
        for mount in sorted(self.body.get("volumeMounts") or (), key=lambda m: str(m["mountPath"])):
            read_only = self.volumes.is_read_only(mount)
            lines += _mounted(root, mount["mountPath"], self.volumes.source(mount), read_only=read_only)
        if self._security("privileged"):
            self.volumes.shares.mkdir(parents=True, exist_ok=True)
            lines += _mounted(root, "/run/shares", self.volumes.shares, read_only=False)
        if self._security("readOnlyRootFilesystem"):
            lines.append(f"mount -o remount,bind,ro {root}")
        words = shlex.join(["chroot", root, *self._as_user(), *self.command])
        return "\n".join([*lines, f"exec {words}"])

    def _as_user(self, more: Mapping[str, str] | None = None) -> list[str]:
        """Before a command: the container's user, rights and variables."""
        user, group, shared = (self._security(key) for key in ("runAsUser", "runAsGroup", "fsGroup"))
        if user is None:
            raise NotImplementedError(f"container {self.name} does not say as whom it runs")
        groups = ",".join(str(number) for number in dict.fromkeys((group, shared)) if number is not None)
        # A change of user forgets with whom a process is to end: it is said again.
        words = ["setpriv", f"--reuid={user}", f"--regid={group or 0}", f"--groups={groups}", "--pdeathsig=KILL"]
        if not self._security("privileged"):
            words += self._capabilities()
        if self._security("allowPrivilegeEscalation") is False:
            words.append("--no-new-privs")
        env = {
            "PATH": os.pathsep.join(self.image.path),
            "HOME": "/",
            **self.image.environment,
            **self.environment,
            **(more or {}),
        }
        return [*words, "--", "env", "-i", *(f"{name}={value}" for name, value in env.items())]

    def _capabilities(self) -> list[str]:
        """What it keeps of the rights of root."""
        match self._security("capabilities"):
            case None:
                return []
            case {"drop": ["ALL"], **more}:
                kept = ",".join(["-all", *(f"+{name.lower()}" for name in cast("list[str]", more.get("add") or []))])
                return [f"--inh-caps={kept}", f"--bounding-set={kept}"]
        raise NotImplementedError(f"container {self.name} does not drop all capabilities")

    def _security(self, key: str) -> object:
        own, of_pod = self.body.get("securityContext") or {}, self.pod["spec"].get("securityContext") or {}
        return own.get(key, of_pod.get(key))

    def _accounts(self) -> dict[str, str]:
        users = {"root": 0, "nobody": 65534, **self.image.users}
        return {
            "/etc/passwd": "".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for name, number in users.items()),
            "/etc/group": "".join(f"{name}:x:{number}:\n" for name, number in users.items()),
        }


def _mounted(root: str, target: str, source: Path, *, read_only: bool) -> list[str]:
    """Commands that mount a file or a directory in a root, which has the links of this machine's."""
    place = shlex.quote(root + os.path.realpath(target))
    make = f"mkdir -p {place}" if source.is_dir() else f"mkdir -p $(dirname {place}); [ -e {place} ] || : >{place}"
    bind = f"mount --bind {shlex.quote(str(source))} {place}"
    return [make, bind, *([f"mount -o remount,bind,ro {place}"] if read_only else [])]


def _is_closed(directory: Path) -> bool:
    return directory != Path("/") and not directory.stat().st_mode & 0o001 if directory.exists() else False


def lacks_rights() -> str:
    """Why containers cannot be started by this process; "" if they can."""
    if os.geteuid() != 0:
        return "containers have mounts and users of their own, which takes root"
    if not shutil.which("unshare"):
        return "there is no unshare (util-linux)"
    overlay = "mkdir $d/over $d/work $d/root && mount -t overlay -o lowerdir=/,upperdir=$d/over,workdir=$d/work overlay $d/root"
    script = f"d=/mnt && mount -t tmpfs tmpfs $d && {overlay}"
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-ec", script]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"this machine lets nobody make namespaces and overlays: {tried.stderr.strip()}"
