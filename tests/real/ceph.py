"""A Ceph for a test session, from the machine's own packages: one monitor, and one OSD that keeps its data in memory."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real.parts import absent
from tests.real.servers import LOOPBACK, START_SECONDS, ServerError, free_port, run_checked, served

_CONFIGURATION = """[global]
fsid = {fsid}
mon_host = v2:{address}
mon_initial_members = a
ms_bind_msgr1 = false
public_addr = {host}
# One OSD holds one copy. Whatever else is usual is left as it is.
osd_pool_default_size = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
osd_objectstore = memstore
osd_class_dir = {classes}
mon_data = {directory}/mon
osd_data = {directory}/osd
run_dir = {directory}/run
crash_dir = {directory}/run
admin_socket = {directory}/run/$name.asok
pid_file = {directory}/run/$name.pid
log_to_file = false
log_to_stderr = true
"""


@dataclass(frozen=True)
class CephServer:
    """A running Ceph: where its monitor listens, and the keyring of its administrator."""

    monitor: str
    keyring: Path
    config: Path

    def ask(self, *words: str) -> Any:
        """The answer to a command of the administrator."""
        command = ["ceph", "--conf", str(self.config), "--name", "client.admin", "--keyring", str(self.keyring)]
        ended = subprocess.run(
            [*command, "--connect-timeout", "20", "--format", "json", *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if ended.returncode:
            raise ServerError(f"ceph {' '.join(words)}: {ended.stderr[-1000:]}")
        return json.loads(ended.stdout) if ended.stdout.strip() else None

    def key(self) -> str:
        """The administrator's key."""
        return str(self.ask("auth", "get", "client.admin")[0]["key"])


def new_key() -> str:
    """A key of a user, as Ceph makes them: its kind, the time, its length, and the key."""
    return base64.b64encode(struct.pack("<HIIH", 1, int(time.time()), 0, 16) + secrets.token_bytes(16)).decode()


@contextmanager
def ceph_server(directory: Path, *, host: str = LOOPBACK, port: int = 0, key: str = "") -> Iterator[CephServer]:
    """An empty Ceph, with this key for its administrator; on a port of its own choice if none is given."""
    lacking = [name for name in ("ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool") if not shutil.which(name)]
    if lacking:
        absent(f"no {' and no '.join(lacking)} (Debian: apt-get install ceph-common ceph-mon ceph-osd)")
    for name in ("mon", "osd", "run"):
        (directory / name).mkdir(parents=True)
    port, key = port or free_port(), key or new_key()
    fsid, keyring, config = str(uuid.uuid4()), directory / "keyring", directory / "ceph.conf"
    classes = next(Path("/usr/lib").glob("**/rados-classes"), Path("/usr/lib/rados-classes"))
    config.write_text(_CONFIGURATION.format(address=f"{host}:{port}", host=host, fsid=fsid, directory=directory, classes=classes))
    every = [part for daemon in ("mon", "osd", "mgr") for part in ("--cap", daemon, "allow *")]
    for command in (
        ["ceph-authtool", "--create-keyring", str(keyring), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"],
        ["ceph-authtool", str(keyring), "--add-key", key, "-n", "client.admin", *every],
        ["monmaptool", "--create", "--addv", "a", f"[v2:{host}:{port}]", "--fsid", fsid, f"{directory}/monmap"],
        ["ceph-mon", "-c", str(config), "--mkfs", "-i", "a", "--monmap", f"{directory}/monmap", "--keyring", str(keyring)],
    ):
        run_checked(command, os.environ)
    server = CephServer(monitor=f"{host}:{port}", keyring=keyring, config=config)
    monitor = ["ceph-mon", "-c", str(config), "-i", "a", "-f"]
    with served(monitor, os.environ, port, directory / "mon.log", host=host), _osd(server):
        yield server


@contextmanager
def _osd(server: CephServer) -> Iterator[None]:
    """The OSD, once it has told the monitor that it is up."""
    directory, identity = server.config.parent, str(uuid.uuid4())
    server.ask("osd", "new", identity)
    rights = ["mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"]
    key = server.ask("auth", "get-or-create", "osd.0", *rights)[0]["key"]
    keyring = directory / "osd" / "keyring"
    keyring.write_text(f"[osd.0]\n\tkey = {key}\n")
    start = ["ceph-osd", "-c", str(server.config), "-i", "0", "--keyring", str(keyring)]
    run_checked([*start, "--mkfs", "--osd-uuid", identity], os.environ)
    with (directory / "osd.log").open("wb") as log, subprocess.Popen([*start, "-f"], stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not server.ask("osd", "stat")["num_up_osds"]:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise ServerError(f"ceph-osd did not start:\n{(directory / 'osd.log').read_text()[-2000:]}")
            yield
        finally:
            process.terminate()
