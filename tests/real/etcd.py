"""Members of etcd for a test, started from their manifests: the init container's command, then etcd's, with what they mount."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.build_control_plane import assets_directory
from stackloom.incluster import read_programs
from stackloom.infra.etcd import ETCD
from tests.core.infra.built import built
from tests.real.parts import absent
from tests.real.servers import LOOPBACK, free_port

# For what the programs do when they are called from here: they import each other by their bare names.
sys.path.insert(0, str(Path(__file__).parents[2] / "core" / "stackloom" / "programs"))

STATEFUL_SET = "StatefulSet/etcd-member"
CRON_JOB = "CronJob/etcd-defragment"
HOST = "etcd-member-{}.etcd-member.openstack.svc.cluster.local"
SERVICE = "etcd.openstack.svc.cluster.local"
PORTS = {"client": 2379, "peer": 2380, "metrics": 2381}
PATIENCE_SECONDS = 40


def wait_for(what: str, condition: Callable[[], Any], log: Callable[[], str] = lambda: "") -> Any:
    """What ``condition`` gives once that is true. AssertionError with the log when it does not become so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}, in vain:\n{log()}"
        time.sleep(0.1)
    return found


@dataclass
class Member:
    """A Pod of the StatefulSet: ``root`` stands for its file system, and its ports are others than in the cluster."""

    cluster: EtcdCluster
    name: str
    root: Path
    ports: Mapping[str, int] = field(default_factory=lambda: {name: free_port() for name in PORTS})
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the init container and etcd say."""
        return self.root / "log"

    def said(self) -> str:
        """The log's text."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def data(self) -> Path:
        """Its volume."""
        return self.root / "var/lib/etcd"

    def settle(self) -> None:
        """Start the init container; :meth:`start` waits for its end."""
        self.cluster.mount(self)
        (init,) = self.cluster.pods[STATEFUL_SET]["initContainers"]
        (variable,) = init["env"]
        assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
        self._run([sys.executable, *init["command"][1:]], {variable["name"]: self.name})

    def start(self) -> None:
        """Start etcd, once the init container has succeeded."""
        process = self._process
        assert process is not None
        code = wait_for(
            f"{self.name} settles", lambda: None if process.poll() is None else f"exit {process.returncode}", self.said
        )
        assert code == "exit 0", self.said()
        (etcd,) = self.cluster.pods[STATEFUL_SET]["containers"]
        self._run([str(self.cluster.program), *etcd["command"][1:]], {})

    def run(self) -> None:
        """The init container, and then etcd."""
        self.settle()
        self.start()

    def stop(self) -> None:
        """Kill whatever of it runs, as a node that fails does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def lose_disk(self) -> None:
        """Stop it and empty its volume."""
        self.stop()
        shutil.rmtree(self.data)

    def _run(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.stop()
        with self.log.open("ab") as stream:
            words = [self.cluster.local(word, self) for word in command]
            self._process = subprocess.Popen(
                words, env={"PATH": os.environ["PATH"], **env}, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )


class EtcdCluster:
    """The members of a cloud of a size, none of them started yet."""

    def __init__(self, folder: Path, **spec: Any) -> None:
        # The Kubernetes API of the tests comes with an etcd of the release that we run; Debian's is years older.
        self.program = assets_directory() / "etcd"
        if not self.program.exists():
            absent(f"no etcd: {self.program.parent} has none; run scripts/build_control_plane.py")
        if not shutil.which("etcdctl"):
            absent("etcdctl is not installed (Debian: apt-get install etcd-client)")
        self.folder = folder
        self.secrets: dict[str, dict[str, bytes]] = {}
        self.members: list[Member] = []
        self.resize(**spec)

    def resize(self, **spec: Any) -> None:
        """Take what the deployment gives with this ``spec``; members that are there stay as they are."""
        self.built = built(ETCD, self.folder, **spec)
        self.pods = {path: self.built.pod(path) for path in (STATEFUL_SET, CRON_JOB)}
        self._make_secrets()
        for i in range(len(self.members), self.built[STATEFUL_SET]["spec"]["replicas"]):
            self.members.append(Member(self, f"etcd-member-{i}", self.folder / f"etcd-member-{i}"))

    def _make_secrets(self) -> None:
        """What the provider of credentials would do, with its own program."""
        from credentials import changes, read_credentials

        described = [*ETCD.credentials, *self.built.context.credentials]
        document = [{"name": c.name, "keys": {key: asdict(value) for key, value in c.keys.items()}} for c in described]
        for credential in read_credentials(document):
            data = self.secrets.setdefault(credential.name, {})
            data |= changes(credential, data, lambda secret, key: self.secrets[secret][key])

    def local(self, text: str, member: Member | None = None) -> str:
        """A text of the manifests as it is true here: on loopback, and below the ``root`` of a member."""
        for other in self.members:
            for kind, port in PORTS.items():
                text = text.replace(f"{HOST.format(other.name[-1])}:{port}", f"localhost:{other.ports[kind]}")
        text = text.replace(f"{SERVICE}:{PORTS['client']}", f"localhost:{self.members[0].ports['client']}")
        if member:
            for kind, port in PORTS.items():
                text = text.replace(f"0.0.0.0:{port}", f"{LOOPBACK}:{member.ports[kind]}")
        root = member.root if member else self.folder / "client"
        for path in ("/etc/etcd/", "/run/etcd/", "/var/lib/etcd/", "/opt/stackloom/"):
            text = text.replace(path, f"{root}{path}")
        return text

    def mount(self, member: Member | None, path: str = STATEFUL_SET) -> None:
        """Put the files of a Pod's ConfigMaps and Secrets where its containers see them."""
        root = member.root if member else self.folder / "client"
        for directory in ("run/etcd", "var/lib/etcd"):
            (root / directory).mkdir(parents=True, exist_ok=True)
        pod = self.pods[path]
        mounts = {
            m["name"]: m["mountPath"] for c in (*pod.get("initContainers", ()), *pod["containers"]) for m in c["volumeMounts"]
        }
        texts = {
            "stackloom-programs": read_programs(),
            "etcd-etc": {f.key: f.text for f in self.built.context.config_files.values()},
        }
        for volume in pod["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                ((kind, body),) = source.items()
                for item in body["items"]:
                    file = root / mounts[volume["name"]].lstrip("/") / item["path"]
                    file.parent.mkdir(parents=True, exist_ok=True)
                    if kind == "secret":
                        file.write_bytes(self.secrets[body["name"]][item["key"]])
                    else:
                        text = texts[body["name"]][item["key"]]
                        file.write_text(text if file.suffix == ".py" else self.local(text, member))

    def start(self, *members: Member) -> None:
        """Start these members together (all, if none is named), and wait until each answers."""
        chosen = members or tuple(self.members)
        with ThreadPoolExecutor(len(chosen)) as pool:  # as Pods do: each goes on as soon as its own init container has ended
            list(pool.map(Member.run, chosen))
        for member in chosen:
            self.await_health(member)

    def await_health(self, member: Member) -> None:
        """Wait until a member that was started takes part in the cluster: until then it answers no request."""
        wait_for(f"{member.name} is healthy", lambda: self.try_ctl("endpoint", "health", at=member)[0] == 0, member.said)

    def stop(self) -> None:
        """Kill every member."""
        for member in self.members:
            member.stop()

    def client_env(self, at: Member | None = None) -> dict[str, str]:
        """The environment of the defragmenting task, which is that of any client, for one member or for the first."""
        self.mount(None, CRON_JOB)
        env = {name: self.local(value) for name, value in self.built.env(CRON_JOB).items()}
        return {
            "PATH": os.environ["PATH"],
            **env,
            **({"ETCDCTL_ENDPOINTS": f"https://localhost:{at.ports['client']}"} if at else {}),
        }

    def try_ctl(self, *words: str, at: Member | None = None, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """How etcdctl ends, and what it says, as a client of the cluster."""
        command = ["etcdctl", "--command-timeout=3s", "--dial-timeout=3s", *words]
        done = subprocess.run(command, env=env or self.client_env(at), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def ctl(self, *words: str, at: Member | None = None) -> str:
        """What etcdctl says where it succeeds."""
        code, said = self.try_ctl(*words, at=at)
        assert code == 0, said
        return said

    def probe(self, which: str, member: Member) -> int:
        """The status with which a member answers a probe of its container (``readinessProbe``), 0 for no answer."""
        look = self.pods[STATEFUL_SET]["containers"][0][which]["httpGet"]
        connection = http.client.HTTPConnection("localhost", member.ports[look["port"]], timeout=10)
        try:
            connection.request("GET", look["path"])
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def listed(self, at: Member | None = None) -> dict[str, str]:
        """The members of the cluster by name (that of one that has not started is empty), with their identities."""
        members = json.loads(self.ctl("member", "list", "--write-out=json", at=at))["members"]
        return {m.get("name", ""): f"{m['ID']:x}" for m in members}


@contextmanager
def etcd_cluster(folder: Path, **spec: Any) -> Iterator[EtcdCluster]:
    """Members that are killed when the context ends."""
    cluster = EtcdCluster(folder, **spec)
    try:
        yield cluster
    finally:
        cluster.stop()
