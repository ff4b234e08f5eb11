"""The options of the database, as MariaDB and Galera's library understand them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pymysql
import pytest

from stackloom.infra.mariadb import MARIADB
from stackloom.oslo.ini import render
from tests.core.infra.built import built
from tests.real.parts import absent
from tests.real.servers import LOOPBACK, free_port, run_checked, served

pytestmark = pytest.mark.real

# What a test changes: where things are, and what would only take time.
SMALL = {"innodb_buffer_pool_size": "64M", "innodb_log_file_size": "32M"}
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
ONLY_NEWER = {"loose_max_binlog_total_size", "loose_slave_connections_needed_for_purge"}


def program(name: str) -> str:
    """A program of MariaDB's packages."""
    found = shutil.which(name, path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    if not found or not Path("/usr/lib/galera/libgalera_smm.so").exists():
        absent("there is no MariaDB with Galera (Debian: apt-get install mariadb-server galera-4)")
    return found


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The file as the servers have it."""
    file = tmp_path / "galera.cnf"
    file.write_text(built(MARIADB, tmp_path).context.config_files["galera.cnf"].text)
    return file


def options(shipped: Path) -> dict[str, str]:
    """Option and value."""
    return dict(line.split(" = ", 1) for line in shipped.read_text().splitlines() if " = " in line)


def as_told(value: str) -> str:
    """A value as MariaDB tells it."""
    if number := re.fullmatch(r"(\d+)([KMG])", value):
        return str(int(number[1]) * UNITS[number[2]])
    return {"ON": "TRUE"}.get(value, value)


def test_mariadb_knows_every_option_and_takes_its_value(shipped: Path, tmp_path: Path) -> None:
    of_each_server = [f"--datadir={tmp_path}", "--wsrep-cluster-address=gcomm://"]
    command = [program("mariadbd"), f"--defaults-file={shipped}", *of_each_server, "--verbose", "--help"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    unknown = set(re.findall(r"unknown (?:variable|option) '-*([^'=]+)", found.stderr))
    assert unknown <= ONLY_NEWER
    _, _, table = found.stdout.partition("Variables (--variable-name=value)")
    told = {name.replace("-", "_"): value.strip() for name, value in re.findall(r"^([a-z][\w-]+) +(.*)$", table, re.MULTILINE)}
    wanted = {name: as_told(value) for name, value in options(shipped).items() if name not in {"datadir", *ONLY_NEWER}}
    assert {name: (value, told.get(name)) for name, value in wanted.items() if told.get(name) != value} == {}


def test_a_server_starts_a_cluster_with_them_and_numbers_transactions_as_all_servers_do(shipped: Path, tmp_path: Path) -> None:
    data, socket, address = tmp_path / "data", tmp_path / "s", f"{LOOPBACK}:{free_port()}"
    user = ["--user=root"] if os.geteuid() == 0 else []
    install = ["--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
    run_checked([program("mariadb-install-db"), *install, *user], os.environ)
    wanted, port = dict(part.split("=") for part in options(shipped)["wsrep_provider_options"].split(";")), free_port()
    provider = {**wanted, "gcache.size": "16M", "gmcast.listen_addr": f"tcp://{address}"}
    own: dict[str, str | int] = {
        **SMALL,
        "bind_address": LOOPBACK,
        "datadir": str(data),
        "socket": str(socket),
        "pid_file": str(tmp_path / "pid"),
        "port": port,
        "wsrep_node_address": LOOPBACK,
        "wsrep_cluster_address": "gcomm://",
        "wsrep_provider_options": ";".join(f"{name}={value}" for name, value in provider.items()),
    }
    file = tmp_path / "own.cnf"
    file.write_text(f"!include {shipped}\n{render({'mariadbd': {**own}})}")
    command = [program("mariadbd"), f"--defaults-file={file}", "--wsrep-new-cluster", *user]
    with served(command, os.environ, port, tmp_path / "log"), connected(socket) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE cinder")
        cursor.execute("SELECT @@gtid_binlog_pos, @@max_connections, @@character_set_server, @@wsrep_provider_options")
        position, connections, characters, told = cursor.fetchone() or ()
    assert position == "100-1-1"
    assert (str(connections), characters) == (options(shipped)["max_connections"], "utf8mb3")
    in_force = {name.strip(): value.strip() for name, value in (part.split("=") for part in told.split(";") if "=" in part)}
    assert {name: in_force[name] for name in wanted if name.startswith(("evs.", "pc.wait"))}.items() <= wanted.items()
    assert (in_force["pc.recovery"], in_force["gcache.recover"]) == ("false", "yes")


def connected(socket: Path) -> pymysql.Connection[pymysql.cursors.Cursor]:
    """A connection to a server that is part of a cluster."""
    deadline = time.monotonic() + 30
    while True:
        connection = pymysql.connect(unix_socket=str(socket), user="root", autocommit=True)
        with connection.cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE 'wsrep_ready'")
            if cursor.fetchone() == ("wsrep_ready", "ON"):
                return connection
        connection.close()
        assert time.monotonic() < deadline, "the server did not become part of a cluster"
        time.sleep(0.1)
