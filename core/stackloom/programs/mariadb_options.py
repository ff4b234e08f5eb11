"""How a MariaDB server is set up: the environment of its Pod, the configuration of MariaDB, the accounts in new data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mariadb_view import RECORDER_FILE, VIEW_FILE
from program import Failure, environment


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Who this server is, and where things are."""

    pod: str
    uid: str
    address: str
    peers: tuple[str, ...]
    config: Path
    volume: Path
    run: Path
    secrets: Path
    agent_host: str
    agent_port: int
    stop_seconds: float
    backup: str

    @classmethod
    def read(cls, source: Mapping[str, str]) -> Settings:
        """From the environment. Raises Failure that names all that is absent."""
        pod, uid, address, peers = environment("POD_NAME", "POD_UID", "POD_IP", "MARIADB_PEERS", source=source)
        return cls(
            pod=pod,
            uid=uid,
            address=address,
            peers=tuple(filter(None, peers.split(","))),
            config=Path(source.get("MARIADB_CONFIG", "/etc/mysql/galera.cnf")),
            volume=Path(source.get("MARIADB_VOLUME", "/var/lib/mysql")),
            run=Path(source.get("MARIADB_RUN", "/run/mysqld")),
            secrets=Path(source.get("MARIADB_SECRETS", "/etc/mysql/secrets")),
            agent_host=source.get("AGENT_HOST", ""),
            agent_port=int(source.get("AGENT_PORT", "8081")),
            stop_seconds=float(source.get("STOP_SECONDS", "100")),
            backup=source.get("MARIADB_BACKUP", ""),
        )

    def account(self, name: str) -> tuple[str, str]:
        """Name and password of an account, read anew each time, as they can be replaced."""
        try:
            user, password = ((self.secrets / name / key).read_text(encoding="utf-8").strip() for key in ("username", "password"))
        except OSError as error:
            raise Failure(f"{error.filename} cannot be read: {error.strerror}") from error
        return user, password


def options(settings: Settings, first: Sequence[str], donors: Sequence[str] = ()) -> str:
    """The configuration of this server: what all have in common, and what is its own.

    ``first`` are the hosts to try first, ``donors`` the servers to copy data from if they can give any.
    """
    hosts = [*first, *(peer for peer in settings.peers if peer not in first)]
    user, password = settings.account("mariadb-sst")
    own = {
        "datadir": settings.volume / "data",
        "socket": settings.run / "mysqld.sock",
        "pid-file": settings.run / "mysqld.pid",
        "plugin-load-add": "wsrep_info",
        "wsrep_node_name": settings.pod,
        "wsrep_node_address": settings.address,
        "wsrep_cluster_address": f"gcomm://{','.join(hosts)}",
        "wsrep_sst_auth": f'"{user}:{password}"',
        "wsrep_notify_cmd": f'"sh {settings.run / RECORDER_FILE} {settings.volume / VIEW_FILE}"',
        **({"wsrep_sst_donor": f"{','.join(donors)},"} if donors else {}),
    }
    return f"!include {settings.config}\n[mariadbd]\n" + "".join(f"{key} = {value}\n" for key, value in own.items())


def client_options(settings: Settings) -> str:
    """The configuration of programs that work on this server as its administrator."""
    user, password = settings.account("mariadb-admin")
    return f'[client]\nsocket = {settings.run / "mysqld.sock"}\nuser = "{user}"\npassword = "{password}"\n'


def accounts(settings: Settings) -> str:
    """SQL, run once in new data, that makes the accounts which MariaDB is run with."""
    admin, sst, monitor = (_quoted(settings.account(f"mariadb-{name}")) for name in ("admin", "sst", "monitor"))
    statements = [
        "FLUSH PRIVILEGES",
        "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost')",
        "FLUSH PRIVILEGES",
        *(f"CREATE OR REPLACE USER {admin[0]}@'{host}' IDENTIFIED BY {admin[1]}" for host in ("localhost", "%")),
        *(f"GRANT ALL PRIVILEGES ON *.* TO {admin[0]}@'{host}' WITH GRANT OPTION" for host in ("localhost", "%")),
        *(["DROP USER root@localhost"] if admin[0] != "'root'" else []),
        f"CREATE OR REPLACE USER {sst[0]}@localhost IDENTIFIED BY {sst[1]}",
        f"GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* TO {sst[0]}@localhost",
        f"CREATE OR REPLACE USER {monitor[0]}@'%' IDENTIFIED BY {monitor[1]} WITH MAX_USER_CONNECTIONS 10",
        f"GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO {monitor[0]}@'%'",
    ]
    return "".join(f"{statement};\n" for statement in statements)


def _quoted(account: tuple[str, str]) -> tuple[str, str]:
    user, password = ("'" + text.replace("\\", "\\\\").replace("'", "''") + "'" for text in account)
    return user, password


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
