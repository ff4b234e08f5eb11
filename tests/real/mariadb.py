"""A MariaDB for a test session, from the machine's own packages."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

from tests.real.parts import absent
from tests.real.servers import LOOPBACK, free_port, run_checked, served


@dataclass(frozen=True)
class DatabaseServer:
    """A running MariaDB and the password of its administrator, ``root``."""

    port: int
    password: str = field(repr=False)

    def query(self, sql: str, *, user: str = "root", password: str = "", database: str | None = None) -> list[tuple[object, ...]]:
        """The rows that a statement gives, as this user in this database."""
        connection = pymysql.connect(
            host=LOOPBACK,
            port=self.port,
            user=user,
            password=password or self.password,
            database=database,
            autocommit=True,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


@contextmanager
def mariadb_server(directory: Path) -> Iterator[DatabaseServer]:
    """An empty MariaDB. ``root`` may come from anywhere, as it does from other Pods."""
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
    server, install = shutil.which("mariadbd", path=path), shutil.which("mariadb-install-db", path=path)
    if not server or not install:
        absent("mariadbd is not installed (Debian: apt-get install mariadb-server)")
    common = ["--no-defaults", f"--datadir={directory}/data", *(["--user=root"] if os.geteuid() == 0 else [])]
    run_checked([install, *common, "--skip-test-db"], os.environ)
    port, password, start = free_port(), secrets.token_hex(12), directory / "start.sql"
    start.write_text(f"CREATE USER root@'%' IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n")
    command = [server, *common, f"--socket={directory}/socket", f"--pid-file={directory}/pid", f"--init-file={start}"]
    command += [f"--bind-address={LOOPBACK}", f"--port={port}", "--skip-name-resolve"]
    with served(command, os.environ, port, directory / "log"):
        yield DatabaseServer(port=port, password=password)
