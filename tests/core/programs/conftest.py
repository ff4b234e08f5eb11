"""Real servers for the programs to talk to: a Keystone and a MariaDB on the loopback interface."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from tests.core.programs.running import PROGRAMS, free_port, is_open, run_checked, wait_for

sys.path.insert(0, str(PROGRAMS))

KEYSTONE_CONF = """
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///{directory}/keystone.db
[fernet_tokens]
key_repository = {directory}/fernet
[fernet_receipts]
key_repository = {directory}/fernet
[credential]
key_repository = {directory}/fernet
[identity]
domain_specific_drivers_enabled = true
domain_configurations_from_database = true
password_hash_rounds = 4
[security_compliance]
lockout_failure_attempts = 2
lockout_duration = 3600
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true
"""


@dataclass
class KeystoneServer:
    """A running Keystone: ``admin`` is the environment of its administrator, ``python`` has keystoneauth1."""

    url: str
    python: str
    admin: dict[str, str] = field(repr=False)

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


@pytest.fixture(scope="session")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeystoneServer]:
    """A Keystone with nothing in it but its administrator, from the environment that STACKLOOM_KEYSTONE_VENV names."""
    venv = os.environ.get("STACKLOOM_KEYSTONE_VENV")
    if not venv:
        pytest.skip("STACKLOOM_KEYSTONE_VENV does not name a Python environment with keystone and pyuwsgi")
    directory = tmp_path_factory.mktemp("keystone")
    conf, log = directory / "keystone.conf", directory / "log"
    conf.write_text(KEYSTONE_CONF.format(directory=directory))
    (directory / "fernet").mkdir(mode=0o700)
    for number in (0, 1):
        (directory / "fernet" / str(number)).write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))
    port, password = free_port(), secrets.token_urlsafe(12)
    env = {"PATH": f"{venv}/bin:{os.environ['PATH']}", "OS_KEYSTONE_CONFIG_DIR": str(directory), "HOME": str(directory)}
    manage = [f"{venv}/bin/keystone-manage", "--config-file", str(conf)]
    run_checked([*manage, "db_sync"], env)
    with closing(sqlite3.connect(directory / "keystone.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")  # else a reader that Keystone has not let go of locks its writers out
    url = f"http://127.0.0.1:{port}/v3"
    bootstrap = [*manage, "bootstrap", "--bootstrap-internal-url", url, "--bootstrap-region-id", "RegionOne"]
    run_checked(bootstrap, {**env, "OS_BOOTSTRAP_PASSWORD": password})
    uwsgi = [f"{venv}/bin/uwsgi", "--http-socket", f"127.0.0.1:{port}", "--module", "keystone.wsgi.api:application"]
    uwsgi += ["--master", "--lazy-apps", "--need-app", "--die-on-term", "--enable-threads", "--buffer-size", "65535"]
    uwsgi += ["--add-header", "Connection: close"]  # uwsgi closes without a word otherwise, and clients would send into the void
    with log.open("wb") as stream, subprocess.Popen(uwsgi, env=env, stdout=stream, stderr=stream) as server:
        try:
            wait_for(lambda: is_open(port) and b"WSGI app 0" in log.read_bytes(), server, "keystone", log)
            admin = {"OS_AUTH_URL": url, "OS_USERNAME": "admin", "OS_PASSWORD": password, "OS_PROJECT_NAME": "admin"}
            yield KeystoneServer(url=url, python=f"{venv}/bin/python", admin=admin)
        finally:
            server.terminate()


@dataclass
class DatabaseServer:
    """A running MariaDB and its administrator."""

    port: int
    password: str = field(repr=False)

    def env(self, **more: str) -> dict[str, str]:
        """The environment of ``database.py``, with what is particular to the test."""
        where = {"DB_HOST": "127.0.0.1", "DB_PORT": str(self.port), "DB_ADMIN_USER": "root", "DB_ADMIN_PASSWORD": self.password}
        return where | more


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """An empty MariaDB, from the machine's own packages."""
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
    server_path, install = shutil.which("mariadbd", path=path), shutil.which("mariadb-install-db", path=path)
    if not server_path or not install:
        pytest.skip("mariadbd is not installed (Debian: apt-get install mariadb-server)")
    directory = tmp_path_factory.mktemp("mariadb")
    log, data, start = directory / "log", directory / "data", directory / "start.sql"
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    common = ["--no-defaults", f"--datadir={data}", *as_root]
    run_checked([install, *common, "--skip-test-db"], dict(os.environ))
    port, password = free_port(), secrets.token_hex(12)
    start.write_text(f"CREATE USER root@'%' IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n")
    arguments = [*common, f"--socket={directory}/s", "--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"]
    with log.open("wb") as stream:
        command = [server_path, *arguments, f"--init-file={start}", f"--pid-file={directory}/pid"]
        with subprocess.Popen(command, stdout=stream, stderr=stream) as server:
            try:
                wait_for(lambda: is_open(port), server, "mariadbd", log)
                yield DatabaseServer(port=port, password=password)
            finally:
                server.terminate()


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """An empty directory for a program's files."""
    directory = tmp_path / "programs"
    directory.mkdir()
    return directory
