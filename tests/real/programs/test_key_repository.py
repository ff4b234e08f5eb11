from __future__ import annotations

import subprocess

import pytest
from cryptography.fernet import Fernet

from tests.real.cluster import Cluster
from tests.real.programs.cluster import account, rule, secret, secret_of
from tests.real.programs.running import Programs

pytestmark = pytest.mark.real


class Rotation:
    """The program with its account, and the Secret that it may write."""

    def __init__(self, kubernetes: Cluster, programs: Programs, namespace: str) -> None:
        self._programs = programs
        self.before = {"0": Fernet.generate_key(), "1": Fernet.generate_key()}
        rules = [rule("secrets", "get", "update", names=("keys",))]
        kubernetes.apply([*account(namespace, "rotate", rules), secret_of(namespace, "keys", self.before)])
        self._env = kubernetes.mount(namespace, "rotate", programs.directory / "account")

    def run(self, occasion: str, name: str = "keys") -> subprocess.CompletedProcess[str]:
        return self._programs.run("key_repository", name, "3", env={**self._env, "ROTATION_ID": occasion})


@pytest.fixture
def rotation(kubernetes: Cluster, programs: Programs, namespace: str) -> Rotation:
    return Rotation(kubernetes, programs, namespace)


def test_each_occasion_rotates_once(kubernetes: Cluster, namespace: str, rotation: Rotation) -> None:
    assert rotation.run("job-1").stdout == "Secret keys: rotated: primary 2, 3 keys\n"
    after = secret(kubernetes, namespace, "keys")["data"]
    assert (after["1"], after["2"]) == (rotation.before["1"], rotation.before["0"])
    again = rotation.run("job-1")
    assert (again.returncode, again.stdout) == (0, "Secret keys: already rotated by job-1\n")
    assert secret(kubernetes, namespace, "keys")["data"] == after
    assert rotation.run("job-2").stdout == "Secret keys: rotated: primary 3, 3 keys\n"
    assert sorted(secret(kubernetes, namespace, "keys")["data"]) == ["0", "2", "3"]


def test_no_key_is_ever_logged(kubernetes: Cluster, namespace: str, rotation: Rotation) -> None:
    output = rotation.run("job-1").stdout
    assert not any(value.decode() in output for value in secret(kubernetes, namespace, "keys")["data"].values())


def test_a_secret_that_it_may_not_read_is_one_sentence(rotation: Rotation) -> None:
    result = rotation.run("job-1", "others")
    assert result.returncode == 1
    assert result.stdout.startswith("failed: the Role of this service account lacks the verb 'get' on 'secrets': ")


def test_a_repository_that_is_no_repository_is_left_as_it_is(kubernetes: Cluster, namespace: str, rotation: Rotation) -> None:
    kubernetes.apply([secret_of(namespace, "keys", {"1": Fernet.generate_key()})])
    before = secret(kubernetes, namespace, "keys")
    result = rotation.run("job-1")
    assert (result.returncode, "key 0 (staged) and one more (primary) must be there" in result.stdout) == (1, True)
    assert secret(kubernetes, namespace, "keys") == before
