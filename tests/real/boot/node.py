"""The node: everything of a deployment, running."""

from __future__ import annotations

import itertools
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.build_control_plane import assets_directory, missing
from tests.real.boot import table
from tests.real.boot.container import Container, lacks_rights
from tests.real.boot.controllers import Controllers
from tests.real.boot.images import Image, image_of, lacking_packages, local_images
from tests.real.boot.network import NODE, PODS, PodNetwork, forward, lacks_tools, private_network
from tests.real.boot.pod import Pod, directory_of
from tests.real.boot.resolve import Sources
from tests.real.boot.substitutions import NO_PROGRAM, SUBSTITUTIONS, not_run, repository
from tests.real.boot.volumes import Volumes
from tests.real.cluster import Cluster, Object
from tests.real.control_plane import ControlPlane
from tests.real.parts import absent

WORKLOADS = ("Job", "Deployment", "StatefulSet", "DaemonSet")
STEP_SECONDS, CONTROL_SECONDS, LOOK_SECONDS = 0.05, 0.25, 1.0
PATIENCE_SECONDS = 150.0
HOSTS_SIZE = 65536  # always as long: who reads it while it is rewritten sees no half of a line at its end


@dataclass(repr=False)
class Node:
    """A node, and the objects that it runs. One thread does all of it: what that starts, ends with it."""

    cluster: Cluster
    namespace: str
    objects: list[Object]
    folder: Path
    images: Mapping[str, Image]
    pods: dict[str, Pod] = field(default_factory=dict)
    failure: BaseException | None = None
    _end: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        chosen = {kind: [o for o in self.objects if o["kind"] == kind] for kind in (*WORKLOADS, "Service")}
        self.controllers = Controllers(
            self.cluster, self.namespace, [o for kind in WORKLOADS for o in chosen[kind]], chosen["Service"]
        )
        self.sources = Sources(self.cluster, self.namespace)
        self._addresses = (str(PODS[number]) for number in itertools.count(10))
        self._networks: dict[str, PodNetwork] = {}
        hosts = [rule["host"] for o in self.objects if o["kind"] == "Ingress" for rule in o["spec"]["rules"]]
        self._public = dict.fromkeys(hosts, NODE)
        self._hosts, self._resolver = self.folder / "hosts", self.folder / "resolv.conf"
        self._resolver.write_text("")
        self._write_hosts({})
        self._looked = 0.0
        self._reported: dict[str, str] = {}
        self._ended_jobs: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="node", daemon=True)

    def start(self) -> None:
        """Start everything at once: what has to wait, waits by itself."""
        self._thread.start()

    def stop(self) -> None:
        """End everything."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        """Step until the end. A fault of the harness itself is kept for the test that waits."""
        try:
            with ThreadPoolExecutor(max_workers=8) as executor:
                controlled = 0.0
                while not self._end.wait(STEP_SECONDS):
                    if time.monotonic() - controlled >= CONTROL_SECONDS:
                        controlled = time.monotonic()
                        self._control()
                    for pod in list(self.pods.values()):
                        pod.step(executor)
        except BaseException as error:  # noqa: BLE001
            self.failure = error
        finally:
            for pod in self.pods.values():
                pod.kill()
            for network in self._networks.values():
                network.close()

    def _control(self) -> None:
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self.sources.look()
        bodies = self.controllers.pods()
        self.controllers.make_pods(bodies)
        for body in bodies:
            if body["metadata"]["name"] not in self.pods:
                self._take(body)
        for pod in list(self.pods.values()):
            status = pod.status()
            told = repr([status["phase"], [(c["type"], c["status"]) for c in status["conditions"]]])
            if self._reported.get(pod.name) != told:
                self.controllers.report_pod(pod.name, status)
                self._reported[pod.name] = told
            if pod.phase in ("Succeeded", "Failed") and pod.owner not in self._ended_jobs:
                self.controllers.end(pod.owner, succeeded=pod.phase == "Succeeded")
                self._ended_jobs.add(pod.owner)
        self._write_hosts(self.controllers.publish_endpoints(bodies))

    def _take(self, body: Object) -> None:
        name = body["metadata"]["name"]
        address = NODE if body["spec"].get("hostNetwork") else self._wired(name, body["spec"])
        seen = {**body, "status": {**body["status"], "podIP": address, "hostIP": NODE}}
        volumes = Volumes(
            seen, self.sources, directory_of(self.folder, body) / "volumes", self.folder / "claims", self.folder / "host"
        )
        self.pods[name] = Pod(seen, address, volumes, self._container)

    def _wired(self, name: str, spec: Object) -> str:
        """The address of a new Pod, which has a network of its own now."""
        network = self._networks[name] = PodNetwork.of(next(self._addresses))
        for port in (port for container in spec["containers"] for port in container.get("ports") or () if "hostPort" in port):
            forward(port["hostPort"], network.address, port["containerPort"])
        return network.address

    def _container(self, body: Object, pod: Pod) -> Container | None:
        """A container of a Pod; None where nothing on this machine stands in for its program, which the table says."""
        if repository(body) in NO_PROGRAM:
            return None
        files = {"/etc/hosts": self._hosts, "/etc/resolv.conf": self._resolver}
        directory = directory_of(self.folder, pod.body) / str(body["name"])
        environment = self.sources.environment(body, pod.body)
        network = self._networks[pod.name].path if pod.name in self._networks else ""
        return Container(body, pod.body, image_of(body, self.images), pod.volumes, directory, files, environment, network)

    def _write_hosts(self, names: Mapping[str, str]) -> None:
        lines = "".join(f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **self._public, **names}.items())
        mode = "r+b" if self._hosts.exists() else "wb"
        with self._hosts.open(mode, buffering=0) as file:
            file.write(lines.encode().ljust(HOSTS_SIZE, b"\n"))

    def pod(self, name: str) -> Pod:
        """The Pod of the workload with this name, whatever hash that ends in. LookupError if there is none."""
        for pod in list(self.pods.values()):
            if pod.owner == name or re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{10}}", pod.owner):
                return pod
        raise LookupError(f"no Pod of {name}: {', '.join(sorted(self.pods))}")

    def secret(self, name: str) -> dict[str, str]:
        """What a Secret holds now."""
        self.sources.look()
        return {key: value.decode() for key, value in self.sources.data("Secret", name).items()}

    def came_up(self, name: str) -> float:
        """When such a Pod was ready, or had come to its end, on the clock of this machine. LookupError if it has not."""
        pod = self.pod(name)
        after = pod.ended_after or max((one.ready_after or 0.0 for one in pod.running.values()), default=0.0)
        if not after:
            raise LookupError(f"{pod.name} has not come up")
        return pod.made + after

    def container(self, name: str) -> Container:
        """The first container of such a Pod."""
        return next(iter(self.pod(name).running.values())).container

    def is_done(self) -> bool:
        """Whether every Job has succeeded and every other Pod is ready."""
        expected = [w for w in self.controllers.workloads if not not_run(w)]
        return len(self.pods) == len(expected) and all(pod.is_done() for pod in self.pods.values())

    def until(self, true: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until that is so; how long it took, in seconds. AssertionError with the table and what was said if it is not."""
        began = time.monotonic()
        while not true():
            if self.failure:
                raise self.failure
            assert time.monotonic() < began + seconds, f"in vain for {seconds:.0f} s:\n{self.table()}\n{self.said()}"
            time.sleep(0.1)
        return time.monotonic() - began

    def restart(self, name: str) -> None:
        """Kill the first container of such a Pod, and wait until everything is up again."""
        first = next(iter(self.pod(name).running.values()))
        before = first.restarts
        first.container.kill()
        self.until(lambda: first.restarts > before)
        self.wait()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until every Job has succeeded and every other Pod is ready; how long that took, in seconds."""
        return self.until(self.is_done, seconds)

    def run_now(self, cron_job: str, seconds: float = PATIENCE_SECONDS) -> Pod:
        """Run the Job of a CronJob once, and wait for its end."""
        (body,) = (o for o in self.objects if o["kind"] == "CronJob" and o["metadata"]["name"] == cron_job)
        job = self.controllers.run_now(body, f"{cron_job}-{len(self.pods)}")
        self.wait(seconds)
        return self.pod(job["metadata"]["name"])

    def rows(self) -> list[table.Row]:
        """What runs and what ran, in the order in which it was ready."""
        return sorted(table.rows(self.pods.values()), key=lambda row: row.after or float("inf"))

    def table(self) -> str:
        """The same for people, with all that differs from a cluster."""
        notes = [f"{s.what} -> {s.by}: {s.reason}" for s in SUBSTITUTIONS]
        notes += [
            f"not run: {w['kind']} {w['metadata']['name']}: {why}" for w in self.controllers.workloads if (why := not_run(w))
        ]
        beside = [(pod, c) for pod in self.pods.values() for c in pod.body["spec"]["containers"] if repository(c) in NO_PROGRAM]
        notes += [f"not run: container {c['name']} of {pod.name}: {NO_PROGRAM[repository(c)]}" for pod, c in beside]
        return table.text(self.rows(), notes)

    def said(self) -> str:
        """What those have said that have not come up."""
        return "\n".join(pod.said() for pod in self.pods.values() if not pod.is_done())


@contextmanager
def booted(objects: list[Object], namespace: str = "openstack") -> Iterator[Node]:
    """A node that runs these objects, in a network of its own, which this thread is in as well while it lasts."""
    images = _required()
    with tempfile.TemporaryDirectory(prefix="stackloom-boot-", ignore_cleanup_errors=True) as directory, private_network():
        folder = Path(directory)
        (folder / "control-plane").mkdir()
        control_plane = ControlPlane(assets_directory(), folder / "control-plane", address=NODE)
        try:
            control_plane.start()
            cluster = Cluster.from_kubeconfig(control_plane.kubeconfig)
            applied = cluster.apply([*_given(cluster, namespace), *objects])
            node = Node(cluster, namespace, list(applied.objects), folder, images)
            node.start()
            try:
                yield node
            finally:
                node.stop()
                cluster.close()
        finally:
            control_plane.stop()


def _required() -> dict[str, Image]:
    """The images. The test ends here where something is not there that it takes."""
    if lacking := missing(assets_directory()):
        absent(f"no Kubernetes API: no {' and no '.join(lacking)}; run scripts/build_control_plane.py")
    if reason := lacks_rights():
        absent(reason)
    if tools := lacks_tools():
        absent(f"{tools} not installed (Debian: iproute2 iptables)")
    if lacking := lacking_packages():
        absent(f"not installed: {' '.join(lacking)} (packages of Debian)")
    return local_images()


def _given(cluster: Cluster, namespace: str) -> list[Object]:
    """What a namespace has from the start."""
    authority = {"ca.crt": cluster.ca_file.read_text()}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt", "namespace": namespace},
            "data": authority,
        },
    ]
