"""etcd and kube-apiserver on loopback, for tests: the real programs, started in seconds and gone with the test session.

RBAC is on, every certificate comes from an authority of the session's own, and nothing outlives the process that started it,
however that ends. There is no kubelet and no controller: a Pod stays as it is written, a deleted namespace stays Terminating.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3
import yaml

from tests.real.certificates import Authority, write_key

LOOPBACK = "127.0.0.1"
SERVICES = "10.96.0.0/12"
KUBERNETES_SERVICE = "10.96.0.1"  # the first address of SERVICES is always the API's own
ADVERTISED = "192.0.2.1"  # loopback is refused; without this a machine needs a default route, and with no endpoints nobody asks
START_SECONDS = 60
PORT_TAKEN = "address already in use"


class ControlPlaneError(Exception):
    """A program of the control plane ended or did not become ready; the message ends with what it logged last."""


class ControlPlane:
    """One etcd and one kube-apiserver, which answers at ``address``.

    ``directory`` takes their data, certificates and logs; it must not outlive its use.
    """

    def __init__(self, assets: Path, directory: Path, *, address: str = LOOPBACK) -> None:
        self.directory = directory
        self.address = address
        self.kubeconfig = directory / "kubeconfig"
        self.assets = assets
        self._authority = Authority(directory)
        self._service_account_key = write_key(directory / "service-accounts.key")
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}

    def start(self, attempts: int = 3) -> None:
        """Start both and wait until the API is ready. Another process may take a port that was free: then others are tried."""
        self._ports = dict(zip(("etcd", "peer", "api"), _free_ports(3), strict=True))
        try:
            self._start("etcd", *self._etcd_flags())
            self.start_api()
        except ControlPlaneError as error:
            self.stop()
            if attempts == 1 or PORT_TAKEN not in str(error):
                raise
            self.start(attempts - 1)

    def stop(self) -> None:
        """Kill both. Their data is of no use to anybody, so nothing is gained by asking them to end."""
        for name in list(self._running):
            self._kill(name)

    def pids(self) -> list[int]:
        """The process ids of what runs now."""
        return [process.pid for process in self._running.values()]

    def start_api(self) -> None:
        """Start kube-apiserver on the port that it had, and wait until it is ready."""
        self._write_kubeconfig()
        self._start("kube-apiserver", *self._api_flags())
        self._wait_until_ready()

    @contextmanager
    def api_stopped(self) -> Iterator[None]:
        """The API refuses connections. It returns with its data but no memory: a watch resumed from before is answered 410."""
        self._kill("kube-apiserver")
        try:
            yield
        finally:
            self.start_api()

    @contextmanager
    def api_silent(self) -> Iterator[None]:
        """The API takes connections and answers nothing, as behind a broken network; open watches get nothing either."""
        api = self._running["kube-apiserver"]
        api.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            api.send_signal(signal.SIGCONT)

    def _etcd_flags(self) -> list[str]:
        clients, peers = (f"http://{LOOPBACK}:{self._ports[name]}" for name in ("etcd", "peer"))
        return [
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",  # no power loss is tested here, and the disk is shared with other tests
        ]

    def _api_flags(self) -> list[str]:
        names = ("localhost", self.address, KUBERNETES_SERVICE, "kubernetes", "kubernetes.default.svc")
        certificate, key = self._authority.issue("apiserver", "kube-apiserver", addresses=names)
        return [
            f"--etcd-servers=http://{LOOPBACK}:{self._ports['etcd']}",
            f"--bind-address={self.address}",
            f"--secure-port={self._ports['api']}",
            f"--advertise-address={ADVERTISED}",
            f"--cert-dir={self.directory}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self._authority.certificate}",
            "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self._service_account_key}",
            f"--service-account-signing-key-file={self._service_account_key}",
            f"--service-cluster-ip-range={SERVICES}",
            "--allow-privileged=true",
            "--endpoint-reconciler-type=none",  # no Pod reaches the API by the Service `kubernetes`, and loopback is no endpoint
        ]

    def _start(self, name: str, *flags: str) -> None:
        """Start a program that the kernel kills when this process ends, even if nobody had time to clean up."""
        tied = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with (self.directory / f"{name}.log").open("wb") as log:
            command = [*tied, str(self.assets / name), *flags]
            self._running[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory)

    def _kill(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def _wait_until_ready(self) -> None:
        """Ask /readyz until it says so. ControlPlaneError when a program ends, or after START_SECONDS."""
        deadline = time.monotonic() + START_SECONDS
        with urllib3.PoolManager(ca_certs=str(self._authority.certificate), timeout=5.0, retries=False) as pool:
            while time.monotonic() < deadline:
                if ended := next((name for name, process in self._running.items() if process.poll() is not None), None):
                    raise ControlPlaneError(f"{ended} ended while starting:\n{self._last_lines(ended)}")
                try:
                    if pool.request("GET", f"https://{self.address}:{self._ports['api']}/readyz").status == 200:
                        return
                except urllib3.exceptions.HTTPError:
                    pass
                time.sleep(0.05)
        raise ControlPlaneError(f"kube-apiserver is not ready after {START_SECONDS} s:\n{self._last_lines('kube-apiserver')}")

    def _last_lines(self, name: str) -> str:
        return "\n".join((self.directory / f"{name}.log").read_text(errors="replace").splitlines()[-15:])

    def _write_kubeconfig(self) -> None:
        certificate, key = self._authority.issue("admin", "admin", group="system:masters")
        server = {
            "server": f"https://{self.address}:{self._ports['api']}",
            "certificate-authority": str(self._authority.certificate),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": server}],
            "users": [{"name": "admin", "user": {"client-certificate": str(certificate), "client-key": str(key)}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))


def _free_ports(count: int) -> list[int]:
    """So many different ports that nobody listens on now."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
