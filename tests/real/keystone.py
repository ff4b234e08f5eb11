"""A Keystone for a test session: the real one, under uwsgi."""

from __future__ import annotations

import base64
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from tests.real.openstack import environment
from tests.real.servers import LOOPBACK, free_port, run_checked, served

CONF = """
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///{directory}/keystone.db
[fernet_tokens]
key_repository = {directory}/keys
[fernet_receipts]
key_repository = {directory}/keys
[credential]
key_repository = {directory}/keys
[identity]
domain_specific_drivers_enabled = true
domain_configurations_from_database = true
password_hash_rounds = 4
[security_compliance]
lockout_failure_attempts = 2
lockout_duration = 3600
[cache]
backend = dogpile.cache.memory
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true
"""


@dataclass(frozen=True)
class KeystoneServer:
    """A running Keystone: ``admin`` is the environment of its administrator, ``python`` has its version of keystoneauth1."""

    url: str
    python: str
    admin: dict[str, str] = field(repr=False)
    _database: Path

    def stored(self, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        """Rows of its database, for what its API does not show."""
        with closing(sqlite3.connect(self._database)) as database:
            return list(database.execute(sql, parameters))

    def api(self, username: str = "admin", password: str = "", domain: str = "Default", project: str = "admin") -> Adapter:
        """Requests to its API as this user: ``api().get("/services").json()``."""
        auth = v3.Password(
            auth_url=self.url,
            username=username,
            password=password or self.admin["OS_PASSWORD"],
            project_name=project,
            user_domain_name=domain,
            project_domain_name=domain,
        )
        return Adapter(Session(auth=auth, timeout=30), endpoint_override=self.url)


@contextmanager
def keystone_server(directory: Path) -> Iterator[KeystoneServer]:
    """A Keystone with nothing in it but its administrator; it takes two wrong passwords in an hour, and no more."""
    venv = environment()
    conf, port, password = directory / "keystone.conf", free_port(), secrets.token_urlsafe(12)
    conf.write_text(CONF.format(directory=directory))
    (directory / "keys").mkdir(mode=0o700)
    for number in (0, 1):
        (directory / "keys" / str(number)).write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))
    env = {"PATH": f"{venv}/bin:{os.environ['PATH']}", "OS_KEYSTONE_CONFIG_DIR": str(directory), "HOME": str(directory)}
    manage = [f"{venv}/bin/keystone-manage", "--config-file", str(conf)]
    run_checked([*manage, "db_sync"], env)
    with closing(sqlite3.connect(directory / "keystone.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")  # else a reader that Keystone has not let go of locks its writers out
    run_checked([*manage, "bootstrap", "--bootstrap-region-id", "RegionOne"], env | {"OS_BOOTSTRAP_PASSWORD": password})
    uwsgi = [f"{venv}/bin/uwsgi", "--http-socket", f"{LOOPBACK}:{port}", "--module", "keystone.wsgi.api:application"]
    uwsgi += ["--master", "--need-app", "--die-on-term", "--enable-threads", "--buffer-size", "65535"]
    uwsgi += ["--add-header", "Connection: close"]  # uwsgi closes without a word otherwise, and clients send into the void
    with served(uwsgi, env, port, directory / "log"):
        url = f"http://{LOOPBACK}:{port}/v3"
        admin = {"OS_AUTH_URL": url, "OS_USERNAME": "admin", "OS_PASSWORD": password, "OS_PROJECT_NAME": "admin"}
        yield KeystoneServer(url, f"{venv}/bin/python", admin, directory / "keystone.db")
