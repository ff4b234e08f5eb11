from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.ceph import CephServer, ceph_server
from tests.real.cluster import Cluster
from tests.real.programs.cluster import RBAC, account, rule, secret, secret_of
from tests.real.programs.running import Programs, finished

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephServer]:
    """A Ceph that the tests share: each uses pools and users of its own."""
    with ceph_server(tmp_path_factory.mktemp("ceph")) as server:
        yield server


class Clients:
    """The program with its account, in a namespace."""

    def __init__(self, kubernetes: Cluster, programs: Programs, namespace: str, ceph: CephServer) -> None:
        self._programs, self._kubernetes = programs, kubernetes
        self.namespace, self.ceph = namespace, ceph
        kubernetes.apply(account(namespace, "ceph", [rule("secrets", "get", "create", "patch")]))
        self._env = kubernetes.mount(namespace, "ceph", programs.directory / "account")

    def run(self, source: dict[str, Any], *users: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        file = self._programs.directory / "ceph.json"
        pools = sorted({pool for user in users for pool in user["pools"]})
        file.write_text(json.dumps({**source, "pools": pools, "application": "rbd", "users": users}))
        return self._programs.run("ceph_clients", str(file), env=self._env)

    def outside(self, *users: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return self.run({"monitors": [self.ceph.monitor], "keyring": str(self.ceph.keyring)}, *users)

    def secret(self, user: str) -> dict[str, bytes]:
        data: dict[str, bytes] = secret(self._kubernetes, self.namespace, f"ceph-client-{user}")["data"]
        return data

    def rights(self, user: str) -> dict[str, str]:
        rights: dict[str, str] = self.ceph.ask("auth", "get", f"client.{user}")[0]["caps"]
        return rights

    def rbd(self, user: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """What comes of a command with nothing but the user's Secret, mounted as a Pod has it."""
        folder.mkdir(exist_ok=True)
        for key, value in self.secret(user).items():
            (folder / key).write_bytes(value)
        words = ("--conf", f"{folder}/ceph.conf", "--keyring", f"{folder}/keyring", "--id", user, *words)
        return finished(["timeout", "50", "rbd", *words], {})


def user(name: str, *pools: str, reads: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"name": name, "kept_in": f"ceph-client-{name}", "pools": pools, "reads": reads}


@pytest.fixture
def clients(kubernetes: Cluster, programs: Programs, namespace: str, ceph: CephServer) -> Clients:
    return Clients(kubernetes, programs, namespace, ceph)


def test_a_user_works_in_its_pool_and_in_no_other(clients: Clients, tmp_path: Path) -> None:
    done = clients.outside(user("writer", "written"), user("reader", "own", reads=("written",)))
    assert done.returncode == 0, done.stdout
    assert clients.rbd("writer", tmp_path / "w", "create", "written/disk", "--size", "8").returncode == 0
    assert clients.rbd("reader", tmp_path / "r", "ls", "written").stdout.endswith("disk\n")
    assert clients.rbd("reader", tmp_path / "r", "create", "written/other", "--size", "8").returncode != 0
    assert clients.rbd("writer", tmp_path / "w", "ls", "own").returncode != 0
    assert clients.secret("writer")["key"].decode() in clients.secret("writer")["keyring"].decode()


def test_a_second_run_changes_nothing_and_a_third_what_is_asked_for(clients: Clients) -> None:
    assert clients.outside(user("twice", "first")).returncode == 0
    before = clients.secret("twice")
    assert clients.outside(user("twice", "first")).stdout == "1 pools and 1 users are as wanted\n"
    moved = clients.outside(user("twice", "second"))
    assert clients.rights("twice")["osd"] == "profile rbd pool=second"
    assert clients.secret("twice") == before
    assert before["key"].decode() not in moved.stdout
    assert {"first", "second"} <= set(clients.ceph.ask("osd", "pool", "ls"))


def test_a_secret_that_somebody_changed_is_what_it_was_again(clients: Clients, kubernetes: Cluster) -> None:
    clients.outside(user("changed", "kept"))
    before = clients.secret("changed")
    kubernetes.apply([secret_of(clients.namespace, "ceph-client-changed", {**before, "key": b"wrong"})], force=True)
    assert "Secret ceph-client-changed: key written anew" in clients.outside(user("changed", "kept")).stdout
    assert clients.secret("changed") == before


def test_rights_that_are_given_whole_are_all_that_a_user_has(clients: Clients) -> None:
    rights = {"mon": "allow rw", "osd": "allow rwx tag rgw *=*"}
    done = clients.outside({**user("gateway"), "rights": rights})
    assert done.returncode == 0, done.stdout
    assert clients.rights("gateway") == rights


def test_a_pool_of_something_else_is_left_alone(clients: Clients) -> None:
    clients.ceph.ask("osd", "pool", "create", "files")
    clients.ceph.ask("osd", "pool", "application", "enable", "files", "cephfs")
    done = clients.outside(user("files", "files"))
    assert (done.returncode, "pool files is marked for cephfs, not for rbd" in done.stdout) == (1, True)


def test_with_rook_monitors_and_administrator_are_what_rook_says(clients: Clients, kubernetes: Cluster) -> None:
    rook = kubernetes.new_namespace()
    names = [rule("configmaps", "get", names=("rook-ceph-mon-endpoints",)), rule("secrets", "get", names=("rook-ceph-mon",))]
    role, binding = account(rook, "openstack-ceph", names)[1:]
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "ceph", "namespace": clients.namespace}]
    assert role["apiVersion"].startswith(RBAC)
    endpoints = {"name": "rook-ceph-mon-endpoints", "namespace": rook}
    kubernetes.apply(
        [
            role,
            binding,
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": endpoints, "data": {"data": f"a={clients.ceph.monitor}"}},
            secret_of(rook, "rook-ceph-mon", {"ceph-username": b"client.admin", "ceph-secret": clients.ceph.key().encode()}),
        ]
    )
    done = clients.run({"rook": rook}, user("rooked", "rooks"))
    assert done.returncode == 0, done.stdout
    assert f"mon_host = {clients.ceph.monitor}" in clients.secret("rooked")["ceph.conf"].decode()


def test_a_keyring_without_a_user_is_one_sentence(clients: Clients, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("AQBIIglrTuTRNRAA0uJx8JNSW2rTj7H26GsfUQ==\n")
    done = clients.run({"monitors": [clients.ceph.monitor], "keyring": str(tmp_path / "empty")}, user("none", "none"))
    assert done.stdout == (
        "failed: the administrator's keyring names no user: it must hold what `ceph auth get client.admin` prints\n"
    )
