"""A real MariaDB with Galera on an address of loopback of its own, and the endpoints of its agent that backups are made with.

They answer in the process of the tests.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pymysql

from tests.real.servers import run_checked

sys.path.insert(0, str(Path(__file__).parents[2] / "core" / "stackloom" / "programs"))

from mariadb_agent import Agent, Monitor, Status
from mariadb_options import Settings, accounts, write_private
from mariadb_stream import Streams

PROVIDER = "/usr/lib/galera/libgalera_smm.so"
PASSWORD = secrets.token_hex(8)
ACCOUNT = ("sst", PASSWORD)
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
OPTIONS = """\
[mariadbd]
port = 3306
skip_name_resolve
binlog_format = ROW
default_storage_engine = InnoDB
innodb_autoinc_lock_mode = 2
innodb_buffer_pool_size = 64M
innodb_log_file_size = 32M
performance_schema = OFF
log_bin = mariadb-bin
log_slave_updates = ON
server_id = 1
wsrep_gtid_mode = ON
wsrep_gtid_domain_id = 100
wsrep_on = ON
wsrep_provider = {provider}
wsrep_cluster_name = backups
wsrep_sst_method = rsync
"""


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 60, log: Callable[[], str] = str) -> Any:
    """What ``condition`` gives once that is true. AssertionError with the log when it does not become so."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}, in vain for {seconds} s:\n{log()}"
        time.sleep(0.05)
    return found


def identity() -> dict[str, Any]:
    """As whom the programs run, as Popen takes it: MariaDB does not want to be root."""
    return {"user": "mysql", "group": "mysql", "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass
class Node:
    """A server; ``root`` holds what its Pod would have."""

    number: int
    address: str
    root: Path
    config: Path
    secrets: Path
    process: subprocess.Popen[bytes] | None = None
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        for directory in ("volume", "run"):
            (self.root / directory).mkdir(parents=True)
        self.settings = Settings.read(
            {
                "POD_NAME": f"mariadb-server-{self.number}",
                "POD_UID": f"uid-{self.number}",
                "POD_IP": self.address,
                "MARIADB_PEERS": self.address,
                "MARIADB_CONFIG": str(self.config),
                "MARIADB_VOLUME": str(self.root / "volume"),
                "MARIADB_RUN": str(self.root / "run"),
                "MARIADB_SECRETS": str(self.secrets),
            }
        )
        if os.geteuid() == 0:
            run_checked(["chown", "-R", "mysql:mysql", str(self.root)], os.environ)
        status = Status(phase="running", registered=True)
        self.monitor = Monitor(self._connect_quickly)
        self.streams = Streams(self.settings)
        self.agent = Agent((self.settings.pod, ""), status, self.monitor, self.streams.answer)
        self._serve()

    def start(self, join: str = "") -> None:
        """Start MariaDB: with data of its own, or as one that joins the server at the address ``join``."""
        own = {
            "datadir": self.settings.volume / "data",
            "socket": self.settings.run / "mysqld.sock",
            "pid_file": self.settings.run / "pid",
            "bind_address": self.address,
            "plugin_load_add": "wsrep_info",
            "wsrep_node_name": self.settings.pod,
            "wsrep_node_address": self.address,
            "wsrep_sst_receive_address": f"{self.address}:4444",
            "wsrep_cluster_address": f"gcomm://{join}",
            "wsrep_provider_options": f'"gmcast.listen_addr=tcp://{self.address}:4567;ist.recv_addr={self.address}:4568;gcache.size=16M"',
        }
        options = self.settings.run / "mariadbd.cnf"
        text = "".join(f"{key} = {value}\n" for key, value in own.items())
        write_private(options, f"!include {self.config}\n[mariadbd]\n{text}")
        if os.geteuid() == 0:
            shutil.chown(options, "mysql", "mysql")
        (self.settings.volume / "data").mkdir(exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.settings.volume / "data", "mysql", "mysql")
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["mariadbd", f"--defaults-file={options}", *([] if join else ["--wsrep-new-cluster"])],
                env={**os.environ, "PATH": PATH},
                stdout=log,
                stderr=log,
                **identity(),
            )
        wait_for("the server is in step", self._is_synced, log=self.said)

    def install(self) -> None:
        """Make new data, with the accounts that the servers have."""
        user = ["--user=mysql"] if os.geteuid() == 0 else []
        sql = self.root / "run" / "accounts.sql"
        write_private(sql, accounts(self.settings))
        common = ["--no-defaults", f"--datadir={self.settings.volume / 'data'}", "--auth-root-authentication-method=normal"]
        run_checked(["mariadb-install-db", *common, *user, "--skip-test-db", f"--extra-file={sql}"], {**os.environ, "PATH": PATH})

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows that the last statement gives."""
        connection = self._connect()
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def stop(self) -> None:
        """Kill MariaDB."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.monitor.forget()

    def close(self) -> None:
        """End everything."""
        self._http.shutdown()
        self._http.server_close()
        self.stop()

    def said(self) -> str:
        """What MariaDB has logged last."""
        return "\n".join((self.root / "log").read_text(errors="replace").splitlines()[-25:])

    def gtid(self) -> str:
        """Its last transaction."""
        return str(self.sql("SELECT @@gtid_binlog_pos")[0][0])

    def now(self) -> str:
        """A time after everything that was written so far, and before everything that will be."""
        time.sleep(1.1)
        text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        time.sleep(1.1)
        return text

    def _is_synced(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        self.monitor.look()
        return bool(self.monitor.wsrep and self.monitor.wsrep.serves)

    def _connect(self, timeout: float = 60) -> pymysql.Connection[pymysql.cursors.Cursor]:
        # PyMySQL does not close what it could not connect.
        connection = pymysql.connect(user="root", password=PASSWORD, autocommit=True, read_timeout=timeout, defer_connect=True)
        channel = socket.socket(socket.AF_UNIX)
        try:
            channel.settimeout(timeout)
            channel.connect(str(self.settings.run / "mysqld.sock"))
            connection.connect(channel)
        except BaseException:
            channel.close()
            raise
        return connection

    def _connect_quickly(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        return self._connect(2)

    def _serve(self) -> None:
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if node.streams.answer(self):
                    return
                node.monitor.look()
                body = json.dumps(node.agent.state()).encode()
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                assert node.streams.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self._http = Server((self.address, 8081), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
