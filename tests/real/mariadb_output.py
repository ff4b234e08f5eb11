"""What the output says of the database: its objects, moved to a test's namespace, and its options, for a server on loopback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackloom.infra.mariadb import MARIADB
from tests.core.infra.built import built
from tests.real.cluster import Object

CONTROLLER, SERVERS = "mariadb-controller", "mariadb-server"
_IP = "<address>"
# What a test must change: where a server listens, and what would only take memory, disk or time.
_OPTIONS = {
    "bind_address": _IP,
    "wsrep_sst_receive_address": f"{_IP}:4444",
    "innodb_buffer_pool_size": "64M",
    "innodb_log_file_size": "48M",
    "max_connections": 300,
}
_PROVIDER = {"gmcast.listen_addr": f"tcp://{_IP}:4567", "ist.recv_addr": f"{_IP}:4568", "gcache.size": "64M"}


@dataclass(frozen=True)
class Output:
    """The objects, by ``Kind/name``, and the file that all servers read."""

    bodies: Mapping[str, Object]
    galera_cnf: str

    def __getitem__(self, name: str) -> Object:
        """One of the objects."""
        return self.bodies[name]

    def options(self, ip: str, sst: str) -> str:
        """The file for the server at an address; ``sst`` is how it is to get a copy of the data."""
        return _replaced(self.galera_cnf, "wsrep_sst_method = mariabackup", f"wsrep_sst_method = {sst}").replace(_IP, ip)

    def server_container(self) -> Object:
        """What runs in the Pod of a server."""
        (container,) = self[f"StatefulSet/{SERVERS}"]["spec"]["template"]["spec"]["containers"]
        return dict(container)


def output(folder: Path, count: int = 3) -> Output:
    """What a deployment with so many servers is given, built into a folder."""
    conf = {"galera": {"mariadbd": _OPTIONS, "wsrep_provider_options": _PROVIDER}}
    of = built(MARIADB, folder, services={"database": {"mariadb": {"values": {"replicas": {"server": count}, "conf": conf}}}})
    bodies = {f"{body['kind']}/{body['metadata']['name']}": body for body in of.bodies()}
    return Output(bodies, of.context.config_files["galera.cnf"].text)


def _replaced(text: str, line: str, by: str) -> str:
    lines = text.splitlines()
    assert lines.count(line) == 1, f"the file has not the line {line!r}:\n{text}"
    return "\n".join(by if one == line else one for one in lines) + "\n"


def account(of: Output, name: str, namespace: str) -> list[Object]:
    """An account with exactly the rights that it has in the output."""
    return moved((of[f"{kind}/{name}"] for kind in ("ServiceAccount", "Role", "RoleBinding")), namespace)


def moved(bodies: Iterable[Object], namespace: str) -> list[Object]:
    """The objects as they are in another namespace."""
    return [_moved(body, namespace) for body in bodies]


def _moved(body: Object, namespace: str) -> Object:
    there = {**body, "metadata": {**body["metadata"], "namespace": namespace}}
    if body["kind"] == "RoleBinding":
        there["subjects"] = [{**subject, "namespace": namespace} for subject in body["subjects"]]
    return there
