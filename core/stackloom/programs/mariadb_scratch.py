"""Data made from backups, in a directory of their own.

They are unpacked, prepared, looked through by a MariaDB that nobody else can reach, and brought forward with binary logs.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql
from mariadb_binlog import Gtid
from mariadb_options import write_private
from mariadb_sealed import Seal, Unsound, pipe
from mariadb_store import Entry
from program import Failure

START_SECONDS = 900.0
STOP_SECONDS = 900.0
BLOCK = 2**20
_USER = "stackloom-scratch"
# What belongs to a server or to a backup, and not to the data.
_FOREIGN = {
    "grastate.dat",
    "gvwstate.dat",
    "galera.cache",
    "backup-my.cnf",
    "donor_galera_info",
    "sst_in_progress",
    "stackloom-identity",
}
_FOREIGN_NAMES = re.compile(r"(xtrabackup|mariadb_backup)_.*|.*\.(\d{6,7}|index|state)|ib_buffer_pool")


@dataclass(frozen=True)
class Told:
    """What mariadb-backup says of a copy: where it ends in the log of InnoDB, in the binary logs, and in Galera's history."""

    from_lsn: int
    to_lsn: int
    gtids: str
    history: str
    seqno: int
    domain: int
    version: str


@dataclass(frozen=True)
class Place:
    """A directory to work in, the options of the servers, and the memory for a MariaDB that runs here, in bytes."""

    directory: Path
    config: Path
    memory: int

    @property
    def socket(self) -> Path:
        """Where the MariaDB listens: not on the volume, which may be a share."""
        return Path(tempfile.gettempdir()) / f"stackloom-{os.getpid()}-{self.directory.name}"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    def unpack(self, seal: Seal, copies: Sequence[tuple[Path, Sequence[Entry]]]) -> Told:
        """Make data of a full copy and of those that build on it, each given by its directory and files.

        Returns what is told of the last. Raises Unsound for files that have changed, Failure for what cannot be put together.
        """
        told = None
        for i, (source, files) in enumerate(copies):
            part = self.directory / "part" if i else self.data
            part.mkdir(parents=True)
            for entry in files:
                _extract(seal, source, entry, part)
            told = read_told(part)
            memory = f"--use-memory={max(self.memory, 64 * 2**20)}"
            added = [f"--incremental-dir={part}"] if i else []
            run_logged(
                ["mariadb-backup", "--prepare", memory, f"--target-dir={self.data}", *added], self.directory / "prepare.log"
            )
            if i:
                shutil.rmtree(part)
        if told is None:
            raise Failure("there is nothing to unpack")
        self.clean()
        return told

    @contextmanager
    def running(self, at: Gtid) -> Iterator[Scratch]:
        """A MariaDB on these data, which are at this transaction. It stops in order with the context; an error kills it."""
        user, password = _USER, secrets.token_hex(16)
        options, start, log = (self.directory / name for name in ("mariadbd.cnf", "start.sql", "mariadbd.log"))
        write_private(options, self._options())
        account = f"'{user}'@localhost"
        lines = ["SET sql_log_bin = 0", f"CREATE OR REPLACE USER {account} IDENTIFIED BY '{password}'"]
        lines += [f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION"]
        write_private(start, "".join(f"{line};\n" for line in lines))
        command = ["mariadbd", f"--defaults-file={options}", f"--init-file={start}"]
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)  # noqa: S603
        try:
            connection = self._connect(process, log, (user, password))
            with connection.cursor() as cursor:
                cursor.execute(f"SET GLOBAL gtid_binlog_state = '{at}'" if at.number else "SELECT 1")
            yield Scratch(self, connection, (user, password), process, log)
            with connection.cursor() as cursor:
                cursor.execute("SET sql_log_bin = 0")
                cursor.execute(f"DROP USER {account}")
            connection.close()
            process.terminate()
            if process.wait(STOP_SECONDS) != 0:
                raise Failure(f"MariaDB did not stop in order: {tail(log)}")
        except (pymysql.MySQLError, OSError) as error:
            raise Failure(f"MariaDB on the data from the backup fails: {error}; {tail(log)}") from error
        except subprocess.TimeoutExpired as error:
            raise Failure("MariaDB on the data from the backup does not stop") from error
        finally:
            process.kill()
            process.wait()

    def clean(self) -> None:
        """Remove from the data what belongs to who made or looked at them."""
        for entry in list(self.data.iterdir()):
            if entry.is_file() and (entry.name in _FOREIGN or _FOREIGN_NAMES.fullmatch(entry.name)):
                entry.unlink()

    def _options(self) -> str:
        own = {
            "datadir": self.data,
            "socket": self.socket,
            "pid_file": self.directory / "pid",
            "tmpdir": self.directory,
            "skip_networking": "ON",
            "wsrep_on": "OFF",
            "wsrep_provider": "none",
            "wsrep_gtid_mode": "OFF",
            "wsrep_cluster_address": "",
            "log_bin": self.directory / "binlog",
            "log_bin_index": self.directory / "binlog.index",
            "log_error": "",
            "innodb_buffer_pool_size": max(self.memory, 64 * 2**20),
            "innodb_log_file_size": "96M",
            "innodb_buffer_pool_dump_at_shutdown": "OFF",
            "innodb_flush_log_at_trx_commit": 0,
            "sync_binlog": 0,
            "max_connections": 20,
            "max_allowed_packet": "1G",
            "event_scheduler": "OFF",
            "performance_schema": "OFF",
        }
        return f"!include {self.config}\n[mariadbd]\n" + "".join(f"{key} = {value}\n" for key, value in own.items())

    def _connect(
        self, process: subprocess.Popen[bytes], log: Path, account: tuple[str, str]
    ) -> pymysql.Connection[pymysql.cursors.Cursor]:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                user, password = account
                return pymysql.connect(
                    unix_socket=str(self.socket), user=user, password=password, autocommit=True, read_timeout=24 * 3600
                )
            except (pymysql.MySQLError, OSError) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"MariaDB does not start on the data from the backup: {tail(log)}") from error
            time.sleep(0.1)


@dataclass(frozen=True)
class Scratch:
    """A MariaDB that runs on data from a backup."""

    place: Place
    connection: pymysql.Connection[pymysql.cursors.Cursor]
    account: tuple[str, str]
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> int:
        """Look through all tables. Returns how many there are; raises Unsound with the first that is not sound."""
        count = 0
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
                " AND table_schema NOT IN ('information_schema', 'performance_schema', 'sys')"
            )
            for schema, table in cursor.fetchall():
                cursor.execute(f"CHECK TABLE `{_escaped(schema)}`.`{_escaped(table)}`")
                for _, _, kind, text in cursor.fetchall():
                    if kind == "error" or (kind == "status" and text not in ("OK", "Table is already up to date")):
                        raise Unsound(f"the table {schema}.{table} in the backup is damaged: {text}")
                count += 1
        return count

    def position(self, domain: int) -> Gtid:
        """The last transaction that was brought in."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT @@gtid_binlog_pos")
            (text,) = cursor.fetchone() or ("",)
        return Gtid.parse(str(text), domain)

    def replay(self, log: Path, after: Gtid, before: str = "") -> Gtid:
        """Bring in what a binary log has after a transaction, and ``before`` a time (``2026-01-02 03:04:05``, UTC).

        Returns the last transaction then. Raises Failure.
        """
        user, password = self.account
        client = self.place.directory / "client.cnf"
        write_private(client, f"[client]\nuser={user}\npassword={password}\nsocket={self.place.socket}\nmax_allowed_packet=1G\n")
        read = ["mariadb-binlog", "--no-defaults", f"--start-position={after}", f"--do-domain-ids={after.domain}"]
        read += ["--verify-binlog-checksum", *([f"--stop-datetime={before}"] if before else []), str(log)]
        said, errors = self.place.directory / "replay.log", self.place.directory / "read.log"
        with said.open("wb") as client_says, errors.open("wb") as reader_says:
            reader = subprocess.Popen(  # noqa: S603
                read, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=reader_says, env={**os.environ, "TZ": "UTC"}
            )
            with pipe(reader.stdout) as stream:
                write = ["mariadb", f"--defaults-file={client}", "--binary-mode"]
                writer = subprocess.Popen(  # noqa: S603
                    write,
                    stdin=stream,
                    stdout=client_says,
                    stderr=client_says,
                )
            if writer.wait() != 0:
                reader.kill()
            if reader.wait() != 0 or writer.returncode != 0:
                raise Failure(f"a binary log cannot be brought in after {after}: {tail(errors)} {tail(said)}".strip())
        self._forget_logs()
        return self.position(after.domain)

    def _forget_logs(self) -> None:
        """Free the disk of the logs that this MariaDB has written itself."""
        with self.connection.cursor() as cursor:
            cursor.execute("FLUSH LOCAL BINARY LOGS")
            cursor.execute("SHOW MASTER STATUS")
            name = (cursor.fetchone() or ("",))[0]
            cursor.execute(f"PURGE BINARY LOGS TO '{name}'")


def read_told(directory: Path) -> Told:
    """What is told in the files beside a copy, whose names differ between versions. Raises Failure where they are not there."""
    texts = {}
    for name in ("checkpoints", "info", "galera_info", "binlog_info"):
        found = [directory / f"{prefix}_{name}" for prefix in ("mariadb_backup", "xtrabackup")]
        file = next((file for file in found if file.exists()), None)
        if file is None:
            raise Failure(f"the copy lacks {name}: did the server give it with --galera-info?")
        texts[name] = file.read_text(encoding="utf-8")
    fields = dict(re.findall(r"^(\w+) = (.*)$", texts["checkpoints"] + texts["info"], re.MULTILINE))
    position = re.match(r"([0-9a-f-]{36}):(\d+)(?:[ ,]+(\d+))?", texts["galera_info"])
    gtids = texts["binlog_info"].strip().split("\t")
    if position is None or len(gtids) < 3:
        raise Failure("the copy does not tell its position: is wsrep_gtid_mode on?")
    return Told(
        from_lsn=int(fields["from_lsn"]),
        to_lsn=int(fields["to_lsn"]),
        gtids=gtids[2],
        history=position[1],
        seqno=int(position[2]),
        domain=int(position[3] or 0),
        version=fields.get("server_version", ""),
    )


def run_logged(command: Sequence[str], log: Path) -> None:
    """Run a program to its end. Raises Failure with what it said last."""
    with log.open("wb") as stream:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False)  # noqa: S603
    if ended.returncode != 0:
        raise Failure(f"{command[0]} ended with {ended.returncode}: {tail(log)}")


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "; ".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:])


def _extract(seal: Seal, source: Path, entry: Entry, target: Path) -> None:
    with seal.read(source, entry) as content:
        command = ["mbstream", "-x", "-C", str(target)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603
        with process, pipe(process.stderr) as errors:
            with suppress(BrokenPipeError), pipe(process.stdin) as sink:
                shutil.copyfileobj(content, sink, BLOCK)
            said = errors.read().decode(errors="replace").strip()
        if process.returncode != 0:
            raise Failure(f"{source.name} cannot be unpacked: {said or process.returncode}")


def _escaped(name: str) -> str:
    return name.replace("`", "``")
