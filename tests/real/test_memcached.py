"""The real memcached, from its manifest, and keystonemiddleware, with which services validate and cache tokens."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from stackloom.infra.memcached import MEMCACHED
from tests.core.constructs.conftest import Built
from tests.core.infra.built import built
from tests.real.openstack import environment
from tests.real.parts import absent
from tests.real.servers import LOOPBACK, free_port

pytestmark = pytest.mark.real

SECRET = "OS_KEYSTONE_AUTHTOKEN__MEMCACHE_SECRET_KEY"
CONF = """
[keystone_authtoken]
auth_type = password
auth_url = http://127.0.0.1:1/v3
memcached_servers = {servers}
memcache_security_strategy = ENCRYPT
"""
# Keep or look up thirty tokens as a service does; print how many are found, and how long it takes.
TOKENS = """
import json, sys, time
from keystonemiddleware.auth_token import AuthProtocol

cache = AuthProtocol(lambda *_: None, {"oslo_config_project": "nova", "oslo_config_file": sys.argv[1]})._token_cache
cache.initialize({})
started = time.monotonic()
for i in range(30):
    if sys.argv[2] == "keep":
        cache.set(f"token-{i}", {"token": {"user": f"somebody-{i}"}})
found = sum(cache.get(f"token-{i}") == {"token": {"user": f"somebody-{i}"}} for i in range(30))
print(json.dumps({"found": found, "seconds": time.monotonic() - started}))
"""


class Instance:
    """A memcached that runs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.address = f"{LOOPBACK}:{port}"
        self._port = port

    def connect(self) -> socket.socket:
        """A connection of its own."""
        return socket.create_connection((LOOPBACK, self._port), timeout=5)

    def ask(self, command: str) -> list[str]:
        """The lines with which it answers."""
        with self.connect() as connection, connection.makefile("rwb") as stream:
            stream.write(f"{command}\r\nquit\r\n".encode())
            stream.flush()
            return stream.read().decode(errors="replace").splitlines()

    def stats(self, what: str = "") -> dict[str, str]:
        """``stats``, or ``stats settings``."""
        return {words[1]: words[2] for line in self.ask(f"stats {what}".strip()) if len(words := line.split(maxsplit=2)) == 3}

    @property
    def resident_mib(self) -> float:
        """The memory that it really has."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20


@contextmanager
def started(manifest: Built) -> Iterator[Instance]:
    """Run the container's command as the Pod's user, on loopback and a port that is free here."""
    if not shutil.which("memcached"):
        absent("memcached is not installed (Debian: apt-get install memcached)")
    port, user = free_port(), manifest.pod("StatefulSet/memcached")["securityContext"]["runAsUser"]
    words = manifest.container("StatefulSet/memcached")["command"]
    command = [str(port) if before == "-p" else word for before, word in zip(["", *words], words, strict=False)]
    who = {"user": user, "group": user} if os.geteuid() == 0 else {}
    process = subprocess.Popen([*command, "-l", LOOPBACK], extra_groups=[] if who else None, **who)
    try:
        instance = Instance(process, port)
        deadline = time.monotonic() + 10
        while process.poll() is None:
            try:
                instance.connect().close()
            except OSError:
                assert time.monotonic() < deadline, "it does not listen"
                time.sleep(0.05)
            else:
                break
        assert process.poll() is None, "it ended at once"
        yield instance
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def manifest(tmp_path: Path) -> Built:
    """A small one, whose limits are soon reached."""
    return built(MEMCACHED, tmp_path, features={"memcached": {"memory_mib": 64, "connections": 64}})


@pytest.fixture
def instance(manifest: Built) -> Iterator[Instance]:
    with started(manifest) as running:
        yield running


@pytest.fixture
def instances(manifest: Built) -> Iterator[list[Instance]]:
    """As many as the manifest has replicas."""
    with ExitStack() as stack:
        yield [stack.enter_context(started(manifest)) for _ in range(manifest["StatefulSet/memcached"]["spec"]["replicas"])]


def test_it_takes_the_options_as_they_stand(instance: Instance) -> None:
    settings = instance.stats("settings")
    assert (settings["maxbytes"], settings["maxconns"], settings["udpport"]) == (str(64 * 2**20), "64", "0")


def test_nothing_answers_over_udp(instance: Instance) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(2)
        probe.connect((LOOPBACK, int(instance.address.rpartition(":")[2])))
        probe.send(b"\0\1\0\0\0\1\0\0version\r\n")
        with pytest.raises(ConnectionRefusedError):
            probe.recv(100)


def test_keys_cannot_be_listed_nor_watched(instance: Instance) -> None:
    assert instance.ask("stats cachedump 1 10") == ["CLIENT_ERROR stats cachedump not allowed"]
    assert instance.ask("lru_crawler metadump all") == ["ERROR metadump not allowed"]
    assert instance.ask("watch fetchers") == ["CLIENT_ERROR watch commands not allowed"]


def test_a_connection_too_many_is_turned_away_and_the_others_stay(instance: Instance) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(instance.connect()) for _ in range(64)]
        served = [c for c in held if _is_served(c)]
        assert 32 <= len(served) < 64  # it keeps some for its threads
    assert instance.ask("version")[0].startswith("VERSION")


def _is_served(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"version\r\n")
        return connection.recv(100).startswith(b"VERSION")
    except OSError:
        return False


def test_full_of_items_and_connections_it_stays_below_the_pods_limit(manifest: Built, instance: Instance) -> None:
    with instance.connect() as connection:
        for size in (200, 4000, 60000):
            for i in range(100 * 2**20 // 3 // size):
                connection.sendall(b"set %d-%d 0 0 %d noreply\r\n%s\r\n" % (size, i, size, b"x" * size))
    limit = manifest.container("StatefulSet/memcached")["resources"]["limits"]["memory"]
    assert int(instance.stats()["evictions"]) > 0
    assert 64 < instance.resident_mib < int(limit.removesuffix("Mi")) * 0.75


def tokens(directory: Path, servers: Sequence[str], what: str, key: str = "one") -> dict[str, float]:
    """Keep thirty tokens, or look them up, as a service of its own with this key."""
    (directory / "nova.conf").write_text(CONF.format(servers=",".join(servers)))
    command = [f"{environment()}/bin/python", "-W", "ignore", "-c", TOKENS, str(directory / "nova.conf"), what]
    done = subprocess.run(command, env={SECRET: key} if key else {}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_services_find_each_others_tokens_and_all_instances_are_used(tmp_path: Path, instances: list[Instance]) -> None:
    servers = [i.address for i in instances]
    tokens(tmp_path, servers, "keep")
    assert tokens(tmp_path, servers, "look up")["found"] == 30
    assert all(int(i.stats()["curr_items"]) > 0 for i in instances)
    assert sum(int(i.stats()["curr_items"]) for i in instances) == 30


def test_services_that_list_the_instances_in_another_order_miss_most(tmp_path: Path, instances: list[Instance]) -> None:
    servers = [i.address for i in instances]
    tokens(tmp_path, servers, "keep")
    assert tokens(tmp_path, servers[::-1], "look up")["found"] < 20


def test_a_service_with_another_key_finds_no_tokens(tmp_path: Path, instances: list[Instance]) -> None:
    servers = [i.address for i in instances]
    tokens(tmp_path, servers, "keep")
    assert tokens(tmp_path, servers, "look up", key="another")["found"] == 0


def test_a_service_without_the_key_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="memcache_secret_key must be defined"):
        tokens(tmp_path, [f"{LOOPBACK}:1"], "keep", key="")


def test_an_instance_that_is_away_costs_its_share_of_the_tokens_and_hardly_any_time(
    tmp_path: Path, instances: list[Instance]
) -> None:
    servers = [i.address for i in instances]
    tokens(tmp_path, servers, "keep")
    instances[0].process.kill()
    instances[0].process.wait()
    left = tokens(tmp_path, servers, "look up")
    assert 5 < left["found"] < 30
    again = tokens(tmp_path, servers, "keep")
    assert (again["found"], again["seconds"] < 3) == (30, True)


def test_an_instance_without_an_address_is_like_one_that_is_away(tmp_path: Path, instances: list[Instance]) -> None:
    servers = [*(i.address for i in instances[:2]), "memcached-2.memcached.invalid:11211"]
    assert tokens(tmp_path, servers, "keep")["found"] == 30


def test_without_any_instance_services_go_on_without_a_cache(tmp_path: Path) -> None:
    nowhere = [f"{LOOPBACK}:{free_port()}" for _ in range(3)]
    result = tokens(tmp_path, nowhere, "keep")
    assert (result["found"], result["seconds"] < 3) == (0, True)
