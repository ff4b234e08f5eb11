"""A real Galera cluster whose data are replaced by what a backup has restored, on the order of a human."""

from __future__ import annotations

import io
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.real.cluster import Cluster
from tests.real.galera import STATE, GaleraCluster, Server, Writer, galera_cluster, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

Note = Callable[[str, object], None]
NOT_DATA = ("galera.cache", "gvwstate.dat", "grastate.dat")


@dataclass
class BackupPod:
    """What it holds, by id, and where it listens."""

    address: str
    restored: dict[str, bytes]


@pytest.fixture(scope="module")
def backup() -> Iterator[BackupPod]:
    """A backup Pod that has nothing yet."""
    restored: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = restored.get(self.path.removeprefix("/restored/"))
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield BackupPod(f"127.0.0.1:{server.server_port}", restored)
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def running(kubernetes: Cluster, backup: BackupPod) -> Iterator[GaleraCluster]:
    """Three servers that know the backup Pod."""
    usual = GaleraCluster.environment
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GaleraCluster, "environment", lambda c, s: {**usual(c, s), "MARIADB_BACKUP": backup.address})
        with galera_cluster(kubernetes, kubernetes.new_namespace()) as cluster:
            cluster.prepare()
            yield cluster


def saved(server: Server, *, whole: bool = True) -> bytes:
    """The data directory of a server that is stopped for that, as a backup Pod sends what it has restored."""
    server.ask_to_stop()
    server.stopped()
    copy = server.root / "copy"
    shutil.copytree(server.data, copy, ignore=shutil.ignore_patterns(*NOT_DATA))
    server.start()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for entry in sorted(copy.iterdir()):
            tar.add(entry, entry.name)
        if whole:
            tar.addfile(tarfile.TarInfo("RESTORED"))
    shutil.rmtree(copy)
    return stream.getvalue()


def order(cluster: GaleraCluster, identifier: str) -> None:
    """The order of a human."""
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/{STATE}"
    body = {"metadata": {"annotations": {"stackloom.io/restore": identifier}}}
    assert cluster.api.request("PATCH", path, body, content_type="application/merge-patch+json").status == 200


def notes(cluster: GaleraCluster) -> dict[str, str]:
    """What stands on the ConfigMap."""
    return cluster.config_map()["metadata"].get("annotations") or {}


@pytest.mark.soak
def test_what_was_restored_is_on_all_servers_and_nothing_else(
    running: GaleraCluster, backup: BackupPod, record_property: Note
) -> None:
    first = running.servers[0]
    with Writer(running) as writer:
        writer.rows(50)
    backup.restored["monday-3"] = saved(running.servers[2])
    running.wait_until_ready()
    before, confirmed = first.state()["wsrep"]["cluster_uuid"], list(writer.acknowledged)
    first.sql("INSERT INTO tests.acknowledged VALUES (1, 'a mistake')")
    order(running, "monday-3")
    wait_for("nothing runs", lambda: not any(server.is_ready() for server in running.servers), log=running.said)
    record_property("restored", running.wait_until_ready(seconds=90))
    running.check(confirmed)
    decision = running.state()["decision"]
    assert (decision["mode"], decision["restore"]) == ("restore", "monday-3")
    assert first.state()["wsrep"]["cluster_uuid"] == decision["uuid"] != before
    assert all(server.sql("SELECT * FROM tests.acknowledged WHERE id = 1") == [] for server in running.servers)
    assert "stackloom.io/restore" not in notes(running)
    assert Path(first.root / "volume" / "replaced" / "ibdata1").exists()


@pytest.mark.soak
def test_servers_go_on_with_what_they_had_if_the_data_do_not_come_as_a_whole(
    running: GaleraCluster, backup: BackupPod, record_property: Note
) -> None:
    backup.restored["torn"] = saved(running.servers[2], whole=False)
    running.wait_until_ready()
    before = running.servers[0].state()["wsrep"]["cluster_uuid"]
    running.servers[0].sql("INSERT INTO tests.acknowledged VALUES (2, 'kept')")
    order(running, "torn")
    wait_for("the failure is told", lambda: "stackloom.io/restore-failed" in notes(running), log=running.said)
    assert "torn: the data did not arrive as a whole" in notes(running)["stackloom.io/restore-failed"]
    record_property("ready", running.wait_until_ready())
    running.check([2])
    assert running.servers[0].state()["wsrep"]["cluster_uuid"] == before
    assert running.state()["decision"]["mode"] == "bootstrap"
