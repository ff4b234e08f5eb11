"""Keep the backups of the databases: ``mariadb_backup.py``, which runs for ever, beside the volume that they lie on.

It follows the binary logs of the servers all the time, copies all data when it is asked to (and by itself when without a new copy
nothing could be restored), restores and checks each copy before that counts, keeps as many as it is told, makes data as they were
at a time, and sends copies elsewhere through rclone.

Under HTTP, to callers with the account ``mariadb-sst``:

- ``POST /backup`` and ``POST /restore`` with ``{"to": ...}`` (a time, a backup's id, "latest") begin a task: ``{"task": n}``;
  409 while another is under way. ``GET /tasks/<n>``: ``{"state": "running" | "done" | "failed", "said": ..., "result": ...}``;
- ``GET /status``: what there is; ``GET /restored/<id>``: restored data, as a tar that ends with an empty file ``RESTORED``.

It needs PyMySQL and the programs of MariaDB, zstd, openssl, and reads from the environment:

- MARIADB_PEERS: the hosts of all servers, with commas between them; MARIADB_PRIMARY: that of the one which takes the writes;
- MARIADB_CONFIG (/etc/mysql/galera.cnf), MARIADB_SECRETS (/etc/mysql/secrets): as the servers have them; mariadb-sst is read;
- BACKUP_VOLUME (/backup): where everything lies;
- BACKUP_TYPE (full or incremental), BACKUP_CYCLE (seconds from one full copy to the next), BACKUPS_TO_KEEP (full ones);
- ARCHIVE_SECONDS: how often binary logs are fetched; 0 is never;
- BACKUP_KEY: the file with the key to encrypt with; empty: none;
- BACKUP_REMOTE: the folder for copies as rclone names it; empty: none. RCLONE_PORT (5572): where rclone listens; REMOTE_SECONDS
  (60): how often it is asked;
- BACKUP_HOST ("": all addresses), BACKUP_PORT (8081), METRICS_PORT (8080); AGENT_PORT (8081): that of the servers' agents;
- BACKUP_MEMORY (268435456): bytes for the MariaDB that looks through copies.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from mariadb_archive import Archive
from mariadb_backup_http import serve_tasks
from mariadb_bases import Bases, Servers
from mariadb_calls import Account
from mariadb_remote import Remote
from mariadb_rewind import Rewind, shown, way
from mariadb_scratch import Place
from mariadb_sealed import Seal
from mariadb_store import Store, disk_use, obsolete, superfluous
from monitoring import Metrics, serve
from program import Failure, environment, run, say

HANGS_SECONDS = 1800.0
"""How long fetching binary logs may take before this is started anew."""
AGAIN_SECONDS = 600.0

MEANINGS = {
    "mariadb_backup_age_seconds": "Seconds since the data in the newest backup that counts were copied.",
    "mariadb_backup_archive_age_seconds": "Seconds since the archive had all: what a loss of all servers loses.",
    "mariadb_backup_archive_covered_timestamp_seconds": "Up to when everything that was confirmed is in the archive.",
    "mariadb_backup_bases": "Backups that count.",
    "mariadb_backup_bytes": "Bytes on the volume.",
    "mariadb_backup_failures_total": "What has failed: copy, archive, restore, remote.",
    "mariadb_backup_free_bytes": "Bytes that are free on the volume.",
    "mariadb_backup_needed": "1 if what was written last cannot be restored before another backup is made.",
    "mariadb_backup_remote_age_seconds": "Seconds since everything was copied to the remote.",
    "mariadb_backup_running": "1 while a backup or a restore is under way.",
    "mariadb_backup_size_bytes": "Bytes of the newest backup, sealed; of what it builds on none are counted.",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the environment says."""

    peers: tuple[str, ...]
    primary: str
    config: Path
    secrets: Path
    volume: Path
    incremental: bool
    cycle: int
    keep: int
    archive_seconds: float
    key: Path | None
    remote: str
    rclone_port: int
    remote_seconds: float
    host: str
    port: int
    metrics_port: int
    agent_port: int
    memory: int

    @classmethod
    def read(cls, source: Mapping[str, str]) -> Config:
        """From the environment. Raises Failure that names all that is absent."""
        peers, primary, kind, cycle, keep, seconds = environment(
            "MARIADB_PEERS", "MARIADB_PRIMARY", "BACKUP_TYPE", "BACKUP_CYCLE", "BACKUPS_TO_KEEP", "ARCHIVE_SECONDS", source=source
        )
        key = source.get("BACKUP_KEY")
        return cls(
            peers=tuple(filter(None, peers.split(","))),
            primary=primary,
            config=Path(source.get("MARIADB_CONFIG", "/etc/mysql/galera.cnf")),
            secrets=Path(source.get("MARIADB_SECRETS", "/etc/mysql/secrets")),
            volume=Path(source.get("BACKUP_VOLUME", "/backup")),
            incremental=kind == "incremental",
            cycle=int(cycle),
            keep=int(keep),
            archive_seconds=float(seconds),
            key=Path(key) if key else None,
            remote=source.get("BACKUP_REMOTE", ""),
            rclone_port=int(source.get("RCLONE_PORT", "5572")),
            remote_seconds=float(source.get("REMOTE_SECONDS", "60")),
            host=source.get("BACKUP_HOST", ""),
            port=int(source.get("BACKUP_PORT", "8081")),
            metrics_port=int(source.get("METRICS_PORT", "8080")),
            agent_port=int(source.get("AGENT_PORT", "8081")),
            memory=int(source.get("BACKUP_MEMORY", str(256 * 2**20))),
        )

    def account(self) -> Account:
        """Name and password of mariadb-sst."""
        try:
            user, password = (
                (self.secrets / "mariadb-sst" / key).read_text(encoding="utf-8").strip() for key in ("username", "password")
            )
        except OSError as error:
            raise Failure(f"{error.filename} cannot be read: {error.strerror}") from error
        return user, password


@dataclass
class Task:
    """Something that takes long, for who asked for it."""

    state: Literal["running", "done", "failed"] = "running"
    said: str = ""
    result: dict[str, Any] | None = None


class Keeper:
    """All of it: the store, and what is done with it, one thing at a time but for the archive and the remote."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.metrics = Metrics(MEANINGS)
        self.store = Store(config.volume, Seal(config.key))
        self.store.begin()
        servers, account = Servers(config.peers, config.primary, config.agent_port), config.account()
        self._archive = Archive(self.store, servers, account)
        self._bases = Bases(self.store, servers, account, self._place("check"))
        self.rewind = Rewind(self.store, self._place("restore"))
        self._tasks: list[Task] = []
        self._busy = threading.Lock()
        self._beat = time.monotonic()
        self._remote_done = time.time()
        self._failed = -AGAIN_SECONDS
        self._said = ""

    def run(self) -> None:
        """Serve, and follow the servers for ever."""
        serve(
            self.config.metrics_port,
            {"/metrics": self._metrics_page, "/healthz": self._health_page, "/readyz": lambda: (HTTPStatus.OK, "ok\n")},
        )
        serve_tasks((self.config.host, self.config.port), self)
        if self.config.remote:
            threading.Thread(target=self._send_for_ever, daemon=True).start()
        while True:
            self._beat = time.monotonic()
            if self.config.archive_seconds:
                self.step()
            time.sleep(self.config.archive_seconds or 60)

    def step(self) -> None:
        """Fetch binary logs once, and begin a backup if without one they lead on from nothing."""
        try:
            history, _ = self._archive.step()
            self._note("")
            needed = self._is_base_needed(history)
            self.metrics.set("mariadb_backup_needed", float(needed))
            if needed and time.monotonic() - self._failed >= AGAIN_SECONDS and self.begin_backup() is not None:
                say("a backup begins by itself: what is written now could not be restored without it")
        except Failure as failure:
            self._note_failure(str(failure))
        except Exception as error:  # noqa: BLE001 - a backup that is under way must go on
            self._note_failure(f"an unexpected {type(error).__name__}: {error}")

    # -- Tasks -----------------------------------------------------------------------------------------------------------

    def begin_backup(self) -> int | None:
        """Begin a backup: the number of the task, None while another is under way."""
        return self._begin("copy", self.backup)

    def begin_restore(self, asked: str) -> int | None:
        """Begin to make data as they were: the number of the task, None while another is under way."""
        return self._begin("restore", lambda: asdict(self.rewind.make(asked)))

    def task(self, number: int) -> dict[str, Any] | None:
        """How it stands with a task; None if there is none of this number."""
        return asdict(self._tasks[number]) if 0 <= number < len(self._tasks) else None

    def backup(self) -> dict[str, Any]:
        """Make a backup, then remove what is superfluous. Raises Failure."""
        base = self._bases.make(incremental=self.config.incremental, cycle=self.config.cycle)
        self.retain()
        return {"id": base.id, "gtid": base.gtid, "server": base.server, "tables": base.tables, "size": base.size}

    def retain(self) -> None:
        """Remove backups beyond the number to keep, and binary logs that lead on from none."""
        for base_id in superfluous(self.store.bases(), self.config.keep):
            say(f"removing {base_id}")
            self.store.drop_base(base_id)
        bases, histories = self.store.bases(), self.store.histories()
        for history in histories:
            own = [base for base in bases if base.history == history]
            for number in obsolete(self.store.segments(history), own):
                self.store.drop_segment(history, number)
            if not own and bases and history != bases[-1].history:
                say(f"removing the binary logs of the history {history}, from which no backup is left")
                self.store.drop_history(history)

    def _begin(self, what: str, work: Callable[[], dict[str, Any]]) -> int | None:
        if not self._busy.acquire(blocking=False):
            return None
        task = Task()
        self._tasks.append(task)

        def do() -> None:
            try:
                task.result = work()
                task.state = "done"
            except Failure as failure:
                task.said, task.state = str(failure), "failed"
            except Exception as error:  # noqa: BLE001 - who waits must learn of it
                task.said, task.state = f"an unexpected {type(error).__name__}: {error}", "failed"
            finally:
                self._busy.release()
            if task.state == "failed":
                self._failed = time.monotonic()
                self.metrics.add("mariadb_backup_failures_total", what=what)
                say(f"{what} failed: {task.said}")

        threading.Thread(target=do, daemon=True).start()
        return len(self._tasks) - 1

    # -- How it stands ---------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What there is."""
        archives = {}
        for history in self.store.histories():
            segments = self.store.segments(history)
            archives[history] = {
                "covered": shown(self.store.covered(history)),
                "to": str(segments[-1].log.ends) if segments else "",
                "segments": len(segments),
                "gaps": sum(later.begins > earlier.ends for earlier, later in pairwise(segments)),
            }
        bases = [
            {
                "id": base.id,
                "kind": base.kind,
                "of": shown(base.finished),
                "server": base.server,
                "gtid": base.gtid,
                "history": base.history,
                "size": base.size,
                "tables": base.tables,
            }
            for base in self.store.bases()
        ]
        return {"bases": bases, "archives": archives, "restored": [asdict(restored) for restored in self.rewind.known()]}

    def _is_base_needed(self, history: str) -> bool:
        own = [base for base in self.store.bases() if base.history == history]
        if not own:
            return True
        try:
            way(self.store.segments(history), own[-1].position)
        except Failure:
            return True
        return False

    def _metrics_page(self) -> tuple[HTTPStatus, str]:
        now, bases = time.time(), self.store.bases()
        figures = {
            "mariadb_backup_bases": len(bases),
            "mariadb_backup_bytes": disk_use(self.config.volume),
            "mariadb_backup_free_bytes": _free(self.config.volume),
            "mariadb_backup_running": float(self._busy.locked()),
        }
        if bases:
            figures |= {"mariadb_backup_age_seconds": now - bases[-1].finished, "mariadb_backup_size_bytes": bases[-1].size}
        covered = max(map(self.store.covered, self.store.histories()), default=0)
        if covered:
            figures |= {
                "mariadb_backup_archive_age_seconds": now - covered,
                "mariadb_backup_archive_covered_timestamp_seconds": covered,
            }
        if self.config.remote:
            figures["mariadb_backup_remote_age_seconds"] = now - self._remote_done
        for name, value in figures.items():
            self.metrics.set(name, value)
        return HTTPStatus.OK, self.metrics.text()

    def _health_page(self) -> tuple[HTTPStatus, str]:
        if time.monotonic() - self._beat > HANGS_SECONDS:
            return HTTPStatus.SERVICE_UNAVAILABLE, "fetching binary logs hangs\n"
        return HTTPStatus.OK, "ok\n"

    def _place(self, name: str) -> Place:
        return Place(self.config.volume / "scratch" / name, self.config.config, self.config.memory)

    def _send_for_ever(self) -> None:
        remote = Remote(self.store, self.config.remote, ("127.0.0.1", self.config.rclone_port))
        while True:
            began = time.time()
            try:
                remote.follow()
                self._remote_done = began
            except (Failure, OSError) as error:
                self.metrics.add("mariadb_backup_failures_total", what="remote")
                say(f"the remote: {error}")
            time.sleep(self.config.remote_seconds)

    def _note_failure(self, text: str) -> None:
        self.metrics.add("mariadb_backup_failures_total", what="archive")
        self._note(f"the archive: {text}")

    def _note(self, text: str) -> None:
        if text and text != self._said:
            say(text)
        self._said = text


def _free(path: Path) -> int:
    with suppress(OSError):
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize
    return 0


def main(_arguments: list[str]) -> None:
    """Keep the backups that the environment describes."""
    Keeper(Config.read(os.environ)).run()


if __name__ == "__main__":
    run(main)
