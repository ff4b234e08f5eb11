"""The Job that restores all databases: on a real Kubernetes API, with the account that stands in its manifests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stackloom.infra.mariadb import MARIADB
from stackloom.infra.mariadb_backup import restore_objects
from tests.core.infra.built import built
from tests.real.cluster import Cluster
from tests.real.programs.running import Programs
from tests.real.servers import LOOPBACK

pytestmark = pytest.mark.real

STATE = "mariadb-state"
MADE = {"id": "20260102t030405z", "base": "20260102T010000Z-full", "gtid": "100-1-7", "tables": 3}
HISTORY = "11111111-2222-3333-4444-555555555555"


@dataclass
class Surroundings:
    """What the Job calls: the program with the backups, which says ``task`` of every task, and the servers' agents in one."""

    kubernetes: Cluster
    namespace: str
    folder: Path
    task: dict[str, Any]
    refusal: str = ""
    asked: list[Any] = field(default_factory=list)
    port: int = 0
    _taken: bool = False
    _end: threading.Event = field(default_factory=threading.Event)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """What is answered."""
        if method == "POST":
            self.asked.append((path, json.loads(body)))
            return (202, {"task": 0})
        if path == "/tasks/0":
            return (200, self.task)
        return (200, {"ready": self._taken, "wsrep": {"cluster_uuid": HISTORY}})

    def config_map(self) -> dict[str, Any]:
        """The object to which the order is written."""
        return self.kubernetes.request("GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{STATE}").object

    def order(self) -> str:
        """The order that stands."""
        return str((self.config_map()["metadata"].get("annotations") or {}).get("stackloom.io/restore", ""))

    def obey(self) -> None:
        """Carry the order out, as the controller and the servers do, or refuse it."""
        while not (order := self.order()):
            if self._end.wait(0.05):
                return
        decision = {
            "epoch": 1,
            "pod": "p",
            "uid": "u",
            "uuid": HISTORY,
            "seqno": 0,
            "mode": "restore",
            "reports": "",
            "restore": order,
        }
        notes = {"stackloom.io/restore": None, **({"stackloom.io/restore-failed": self.refusal} if self.refusal else {})}
        body: dict[str, Any] = {"metadata": {"annotations": notes}}
        if not self.refusal:
            body["data"] = {"decision": json.dumps(decision)}
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{STATE}"
        assert self.kubernetes.request("PATCH", path, body, content_type="application/merge-patch+json").status == 200
        self._taken = True

    def run(self, programs: Programs, mounted: dict[str, str], *arguments: str) -> tuple[int, str]:
        """How the Job's program ends, and what it says."""
        thread = threading.Thread(target=self.obey)
        thread.start()
        env = {"BACKUP_HOST": LOOPBACK, "BACKUP_PORT": str(self.port), "MARIADB_PEERS": LOOPBACK, "AGENT_PORT": str(self.port)}
        ended = programs.run("mariadb_restore", *arguments, env={**env, **mounted, "MARIADB_SECRETS": str(self.folder)})
        self._end.set()
        thread.join()
        return ended.returncode, ended.stdout


@contextmanager
def around(kubernetes: Cluster, namespace: str, folder: Path, **differs: Any) -> Iterator[tuple[Surroundings, dict[str, str]]]:
    """The surroundings, and what the Pod of the Job is given to call the API."""
    found = Surroundings(kubernetes, namespace, folder, **{"task": {"state": "done", "said": "", "result": MADE}, **differs})
    (folder / "mariadb-sst").mkdir()
    for key in ("username", "password"):
        (folder / "mariadb-sst" / key).write_text("sst")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, said = found.answer(self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        do_POST = do_GET  # noqa: N815 - the name that the library looks for

        def log_message(self, *_: object) -> None:
            pass

    context = built(MARIADB, folder / "built").context
    context.namespace = namespace
    rights = restore_objects(context, ["mariadb-server-0"], "latest")[:3]
    for body in rights:
        body["metadata"]["namespace"] = namespace
    kubernetes.apply([*rights, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": STATE, "namespace": namespace}}])
    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    found.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found, kubernetes.mount(namespace, "mariadb-restore", folder / "account")
    server.shutdown()
    server.server_close()


def test_it_orders_what_was_made_and_ends_when_the_servers_run_with_it(
    kubernetes: Cluster, namespace: str, programs: Programs, tmp_path: Path
) -> None:
    with around(kubernetes, namespace, tmp_path) as (found, mounted):
        code, said = found.run(programs, mounted, "2026-01-02T03:04:05Z")
        assert code == 0, said
        assert found.asked == [("/restore", {"to": "2026-01-02T03:04:05Z"})]
        assert said.splitlines()[-1] == f"all servers run with the restored data, in the history {HISTORY}"


def test_nothing_is_ordered_when_the_data_cannot_be_made(
    kubernetes: Cluster, namespace: str, programs: Programs, tmp_path: Path
) -> None:
    task = {"state": "failed", "said": "the archive has a gap", "result": None}
    with around(kubernetes, namespace, tmp_path, task=task) as (found, mounted):
        code, said = found.run(programs, mounted, "latest")
        assert (code, "failed: the archive has a gap" in said, found.order()) == (1, True, "")


def test_servers_that_do_not_take_the_data_make_it_fail_with_their_reason(
    kubernetes: Cluster, namespace: str, programs: Programs, tmp_path: Path
) -> None:
    with around(kubernetes, namespace, tmp_path, refusal="the disk is full") as (found, mounted):
        code, said = found.run(programs, mounted, "latest")
        assert (code, "failed: the servers did not take the data: the disk is full" in said) == (1, True)


def test_it_wants_to_be_told_what_to_restore(kubernetes: Cluster, namespace: str, programs: Programs, tmp_path: Path) -> None:
    with around(kubernetes, namespace, tmp_path) as (found, mounted):
        code, said = found.run(programs, mounted)
        assert (code, found.order()) == (1, "")
        assert "say what to restore" in said
