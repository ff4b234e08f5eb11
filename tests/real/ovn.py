"""OVN from its manifests, without a Kubernetes API: Pods with networks of their own, on a node with Open vSwitch in userspace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from stackloom.testing.synthesis import Synthesis
from tests.bad_inputs import USUAL, patched
from tests.real.boot.container import Container, lacks_rights
from tests.real.boot.controllers import NODE as NODE_NAME
from tests.real.boot.images import Image
from tests.real.boot.network import BRIDGE, NODE, PODS, PodNetwork, lacks_tools, private_network
from tests.real.boot.pod import Pod, directory_of
from tests.real.boot.resolve import Sources
from tests.real.boot.volumes import Volumes
from tests.real.cluster import Cluster, Object
from tests.real.parts import absent

# What the provider of credentials would do, is done with its own program, which imports others by their bare names.
sys.path.insert(0, str(Path(__file__).parents[2] / "core" / "stackloom" / "programs"))

DOMAIN = "openstack.svc.cluster.local"
NETWORK = {
    "backend": "ml2/ovn",
    "tunnel_interface": BRIDGE,
    "external_networks": [{"physnet": "physnet1", "bridge": "br-ex", "network_types": ["flat"]}],
}
PROGRAMS = ("ovsdb-server", "ovs-vswitchd", "ovn-northd", "ovn-controller", "ovn-nbctl")
PATIENCE_SECONDS = 90


def wait_for(what: str, condition: Callable[[], Any], said: Callable[[], str] = lambda: "") -> Any:
    """What ``condition`` gives once that is true. AssertionError when it does not become so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}, in vain:\n{said()}"
        time.sleep(0.1)
    return found


@dataclass
class OvnNode:
    """A node that runs what it is told to of a cloud's OVN; all Pods are on it, as far as networks tell."""

    folder: Path
    objects: Mapping[str, Any]
    sources: Sources
    pods: dict[str, Pod] = field(default_factory=dict)
    _networks: dict[str, PodNetwork] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.hosts = self.folder / "hosts"
        names = {"localhost": "127.0.0.1"}
        for role in ("nb", "sb"):
            for i in range(self.objects[f"StatefulSet/ovn-ovsdb-{role}"]["spec"]["replicas"]):
                names[f"ovn-ovsdb-{role}-{i}.ovn-ovsdb-{role}-members.{DOMAIN}"] = self.address(f"ovn-ovsdb-{role}-{i}")
        self.hosts.write_text("".join(f"{address} {name}\n" for name, address in names.items()))
        self.thread = threading.Thread(target=self._run)

    def address(self, pod: str) -> str:
        """Where a member has its network: always at the same place, as by its name in a cluster."""
        _, _, role, number = pod.split("-")
        return str(PODS[(10 if role == "nb" else 20) + int(number)])

    def _run(self) -> None:
        with ThreadPoolExecutor(max_workers=8) as executor:
            while not self._end.wait(0.05):
                for pod in list(self.pods.values()):
                    pod.step(executor)

    def stop(self) -> None:
        """End everything."""
        self._end.set()
        self.thread.join()
        self.delete(*self.pods)
        for network in self._networks.values():
            network.close()

    def start(self, *names: str) -> None:
        """Make these Pods: members of a StatefulSet by their names, the rest by those of their workloads."""
        for name in names:
            kind, owner = ("StatefulSet", name.rpartition("-")[0]) if "ovsdb" in name else ("", name)
            workload = next(
                o for path, o in self.objects.items() if path.endswith(f"/{owner}") and path.startswith(kind or ("Da", "De"))
            )
            self._make(name, workload)

    def _make(self, name: str, workload: Object) -> None:
        template = workload["spec"]["template"]
        spec = {**template["spec"], "nodeName": NODE_NAME}
        # There is no API to ask: tests wait themselves for what a gate would.
        spec["initContainers"] = [c for c in spec.get("initContainers", ()) if c["name"] != "gate"]
        spec["volumes"] = [v for v in spec["volumes"] if v["name"] != "kubernetes-api"]
        for claim in workload["spec"].get("volumeClaimTemplates", ()):
            called = claim["metadata"]["name"]
            spec["volumes"].append({"name": called, "persistentVolumeClaim": {"claimName": f"{called}-{name}"}})
        meta = {"name": name, "ownerReferences": [{"name": workload["metadata"]["name"]}], **template["metadata"]}
        body = {"metadata": meta, "spec": spec}
        network, address = "", NODE
        if not spec.get("hostNetwork"):
            address = self.address(name) if "ovsdb" in name else str(PODS[40])
            known = self._networks.get(name) or PodNetwork.of(address)
            self._networks[name], network = known, known.path
        volumes = Volumes(body, self.sources, directory_of(self.folder, body), self.folder / "claims", self.folder / "host")

        def make(container: Object, pod: Pod) -> Container:
            directory = directory_of(self.folder, body) / "containers" / str(container["name"])
            environment = self.sources.environment(container, body)
            files = {"/etc/hosts": self.hosts}
            return Container(container, body, Image(), volumes, directory, files, environment, network)

        self.pods[name] = Pod(body, address, volumes, make)

    def delete(self, *names: str) -> None:
        """Kill Pods, as a node that fails does."""
        for name in names:
            pod = self.pods.pop(name)
            for _ in range(2):  # what was about to be started when it was taken away
                time.sleep(0.06)
                pod.kill()

    def lose_disk(self, name: str) -> None:
        """Take a member's volume."""
        for claim in (self.folder / "claims").glob(f"*-{name}"):
            shutil.rmtree(claim)

    def kill(self, name: str) -> None:
        """Kill the main process of a Pod, which is then started again."""
        os.kill(self.main(name).first_process(), signal.SIGKILL)

    def main(self, name: str) -> Container:
        """The main container of a Pod."""
        return next(iter(self.pods[name].running.values())).container

    def said(self, *names: str) -> str:
        """What these Pods wrote."""
        return "\n".join(self.pods[name].said() for name in names or self.pods)

    def run(self, name: str, *command: str) -> str:
        """What a command prints in the main container of a Pod, where it succeeds."""
        done = self.main(name).run(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def probe(self, name: str, which: str) -> int:
        """With what status a probe of the main container ends, asked once."""
        main = self.main(name)
        return main.run(main.body[which]["exec"]["command"]).returncode

    def await_ready(self, *names: str) -> None:
        """Wait until these Pods are ready, as their probes say."""
        wait_for(f"{names} are ready", lambda: all(self.pods[name].is_ready() for name in names), lambda: self.said(*names))


def required() -> None:
    """The test ends here where something is not there that it takes."""
    if reason := lacks_rights():
        absent(reason)
    if tools := lacks_tools():
        absent(f"{tools} not installed (Debian: iproute2 iptables)")
    if lacking := [program for program in PROGRAMS if not shutil.which(program)]:
        absent(f"{', '.join(lacking)} not installed (Debian: ovn-central ovn-host openvswitch-switch)")


@contextmanager
def ovn_node(**spec: Any) -> Iterator[OvnNode]:
    """A node for a cloud with OVN, on which nothing runs yet; sockets want short paths."""
    required()
    features = {"services": ["identity", "networking"], "neutron": NETWORK}
    data = patched(patched(USUAL, {"spec": {"features": features}}), {"spec": spec})
    with tempfile.TemporaryDirectory(prefix="ovn-", ignore_cleanup_errors=True) as directory, private_network():
        folder = Path(directory)
        with Synthesis.below(folder) as synthesis:
            output = synthesis(data)
        objects = {f"{o.kind}/{o.name}": o.body for o in output if o.component == "ovn"}
        node = OvnNode(folder, objects, _sources(output))
        node.thread.start()
        try:
            yield node
        finally:
            node.stop()


def _sources(output: Sequence[Any]) -> Sources:
    """ConfigMaps as they are, and the Secrets that the provider of credentials would make."""
    from credentials import changes, read_credentials

    maps = {o.name: o.body["data"] for o in output if o.kind == "ConfigMap"}
    secrets: dict[str, dict[str, bytes]] = {}
    described = [c for c in json.loads(maps["credentials"]["credentials.json"]) if c["name"].startswith("ovn-")]
    for credential in read_credentials(described):
        held = secrets.setdefault(credential.name, {})
        held |= changes(credential, held, lambda secret, key: secrets[secret][key])
    known = {("ConfigMap", name): {key: text.encode() for key, text in data.items()} for name, data in maps.items()}
    known |= {("Secret", name): data for name, data in secrets.items()}
    return Sources(cast("Cluster", SimpleNamespace(host="", port=0)), "openstack", known)


@dataclass(frozen=True)
class Switch:
    """Open vSwitch of a node; ``run`` is where its sockets are."""

    run: Path

    def ask(self, *command: str) -> str:
        """What one of its tools prints."""
        env = {**os.environ, "OVS_RUNDIR": str(self.run)}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.strip()

    def vsctl(self, *words: str) -> str:
        """What ``ovs-vsctl`` prints."""
        return self.ask("ovs-vsctl", f"--db=unix:{self.run}/db.sock", *words)

    def system_id(self) -> str:
        """Who the node is."""
        return self.vsctl("get", "Open_vSwitch", ".", "external_ids:system-id").strip('"')

    def flows(self) -> list[str]:
        """The flows of the integration bridge."""
        said = self.ask("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", f"unix:{self.run}/br-int.mgmt")
        return [line for line in said.splitlines() if "table=" in line]


@contextmanager
def open_vswitch(node: OvnNode) -> Iterator[Switch]:
    """Open vSwitch of the node, in userspace, with the integration bridge there too."""
    switch = Switch(node.folder / "host/run/openvswitch")
    switch.run.mkdir(parents=True)
    env = {**os.environ, "OVS_RUNDIR": str(switch.run)}
    database, socket = f"{node.folder}/conf.db", f"unix:{switch.run}/db.sock"
    quiet = ("-vconsole:off", "-vsyslog:off", "-vfile:off")
    switch.ask("ovsdb-tool", *quiet, "create", database, "/usr/share/openvswitch/vswitch.ovsschema")
    server = ["ovsdb-server", *quiet, f"--unixctl={switch.run}/ovsdb.ctl", f"--remote=p{socket}", database]
    daemon = ["ovs-vswitchd", *quiet, f"--unixctl={switch.run}/vswitchd.ctl", "--disable-system", socket]
    with subprocess.Popen(server, env=env) as first, subprocess.Popen(daemon, env=env) as second:
        try:
            wait_for("Open vSwitch answers", (switch.run / "db.sock").exists)
            switch.vsctl("--no-wait", "init")
            bridge = ("datapath_type=netdev", "fail_mode=secure")
            switch.vsctl("--no-wait", "add-br", "br-int", "--", "set", "bridge", "br-int", *bridge)
            yield switch
        finally:
            second.kill()
            first.kill()
