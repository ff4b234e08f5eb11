from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from credentials import Credential, Value, Vault
from kube import Kube, NotFound, Resource

from tests.real.cluster import Cluster, Object
from tests.real.programs.cluster import account, rule, secret, secret_of
from tests.real.programs.running import Programs, finished

pytestmark = pytest.mark.real

WANTED: list[dict[str, Any]] = [
    {
        "name": "nova-database",
        "keys": {
            "username": {"kind": "text", "text": "nova"},
            "password": {"kind": "password", "length": 24},
            "admin": {"kind": "copy", "source": ["mariadb", "password"]},
        },
    },
    {"name": "mariadb", "keys": {"password": {"kind": "password", "length": 32}}},
    {"name": "fernet-keys", "seeded": True, "keys": {"0": {"kind": "fernet"}, "1": {"kind": "fernet"}}},
    {
        "name": "public-tls",
        "type": "kubernetes.io/tls",
        "keys": {
            "tls.crt": {"kind": "certificate", "text": "*.cloud.example.org", "source": ["public-authority", ""]},
            "tls.key": {"kind": "certificate-key"},
        },
    },
    {"name": "public-authority", "keys": {"ca.crt": {"kind": "authority", "text": "x"}, "ca.key": {"kind": "authority-key"}}},
]
NAMES = [c["name"] for c in WANTED]


class Provider:
    """The program with its account in a namespace."""

    def __init__(self, kubernetes: Cluster, programs: Programs, namespace: str, rules: list[Object]) -> None:
        kubernetes.apply(account(namespace, "credentials", rules))
        self.env = kubernetes.mount(namespace, "credentials", programs.directory / "account")
        self._programs = programs

    def command(self, wanted: list[dict[str, Any]]) -> list[str]:
        path = self._programs.directory / "credentials.json"
        path.write_text(json.dumps(wanted))
        return self._programs.command("credentials", str(path))

    def run(self, wanted: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
        return finished(self.command(wanted), self.env)


@pytest.fixture
def provider(kubernetes: Cluster, programs: Programs, namespace: str) -> Provider:
    named = ("elsewhere", *NAMES, *(f"s{n}" for n in range(12)))
    return Provider(kubernetes, programs, namespace, [rule("secrets", "create"), rule("secrets", "get", "patch", names=named)])


def test_absent_secrets_are_made_whole(kubernetes: Cluster, namespace: str, provider: Provider) -> None:
    result = provider.run(WANTED)
    assert result.returncode == 0, result.stdout
    made = {name: secret(kubernetes, namespace, name) for name in NAMES}
    assert made["nova-database"]["data"]["admin"] == made["mariadb"]["data"]["password"]
    assert made["nova-database"]["data"]["username"] == b"nova"
    assert (made["public-tls"]["type"], sorted(made["fernet-keys"]["data"])) == ("kubernetes.io/tls", ["0", "1"])
    assert "Secret nova-database: created with admin, password, username" in result.stdout
    assert not any(v.decode() in result.stdout for s in made.values() for v in s["data"].values() if v != b"nova")


def test_running_again_changes_nothing(kubernetes: Cluster, namespace: str, provider: Provider) -> None:
    provider.run(WANTED)
    before = [secret(kubernetes, namespace, name) for name in NAMES]
    result = provider.run(WANTED)
    assert (result.returncode, result.stdout) == (0, "5 Secrets, 5 left as they were\n")
    assert [secret(kubernetes, namespace, name) for name in NAMES] == before


def test_what_a_person_put_there_stays_and_the_rest_is_filled(kubernetes: Cluster, namespace: str, provider: Provider) -> None:
    kubernetes.apply([secret_of(namespace, "nova-database", {"password": b"mine", "extra": b"kept"})])
    result = provider.run(WANTED)
    assert "Secret nova-database: filled admin, username" in result.stdout
    data = secret(kubernetes, namespace, "nova-database")["data"]
    assert (data["password"], data["extra"], data["username"]) == (b"mine", b"kept", b"nova")


def test_a_copy_follows_its_source(kubernetes: Cluster, namespace: str, provider: Provider) -> None:
    provider.run(WANTED)
    kubernetes.apply([secret_of(namespace, "mariadb", {"password": b"rotated"})], force=True)
    assert "Secret nova-database: updated admin\n" in provider.run(WANTED).stdout
    assert secret(kubernetes, namespace, "nova-database")["data"]["admin"] == b"rotated"


def test_an_authority_and_what_it_issues_are_made_together_and_once(
    kubernetes: Cluster, namespace: str, provider: Provider
) -> None:
    leaf: dict[str, Any] = {
        "tls.crt": {"kind": "certificate", "text": "etcd", "source": ["s1", ""]},
        "tls.key": {"kind": "certificate-key"},
    }
    trusted = {"ca.crt": {"kind": "copy", "source": ["s1", "ca.crt"]}}
    pair = {"ca.crt": {"kind": "authority", "text": "etcd"}, "ca.key": {"kind": "authority-key"}}
    wanted = [{"name": "s0", "keys": {**leaf, **trusted}}, {"name": "s1", "keys": pair}]
    assert "Secret s0: created with ca.crt, tls.crt, tls.key" in provider.run(wanted).stdout
    assert secret(kubernetes, namespace, "s0")["data"]["ca.crt"] == secret(kubernetes, namespace, "s1")["data"]["ca.crt"]
    assert provider.run(wanted).stdout == "2 Secrets, 2 left as they were\n"
    leaf["tls.crt"]["text"] = "etcd,other"
    assert "Secret s0: updated tls.crt, tls.key\n" in provider.run(wanted).stdout


def test_a_seeded_secret_is_left_alone_whatever_became_of_it(kubernetes: Cluster, namespace: str, provider: Provider) -> None:
    kubernetes.apply([secret_of(namespace, "fernet-keys", {"0": b"a", "5": b"b"})])
    assert provider.run(WANTED).returncode == 0
    assert secret(kubernetes, namespace, "fernet-keys")["data"] == {"0": b"a", "5": b"b"}


def test_contradictions_are_all_reported_and_do_not_stop_the_rest(
    kubernetes: Cluster, namespace: str, provider: Provider
) -> None:
    kubernetes.apply([secret_of(namespace, "nova-database", {"username": b"compute"}), secret_of(namespace, "public-tls", {})])
    result = provider.run(WANTED)
    assert result.returncode == 1
    assert "problem: Secret nova-database: username is not 'nova'" in result.stdout
    assert "problem: Secret public-tls is of type Opaque, not kubernetes.io/tls; delete it" in result.stdout
    assert result.stdout.endswith("failed: 2 of 5 Secrets need a decision: see the problems above\n")
    assert sorted(secret(kubernetes, namespace, "fernet-keys")["data"]) == ["0", "1"]


def test_a_source_that_nobody_makes_is_named(provider: Provider) -> None:
    result = provider.run([{"name": "s0", "keys": {"k": {"kind": "copy", "source": ["elsewhere", "password"]}}}])
    assert (result.returncode, "problem: Secret elsewhere has no key password" in result.stdout) == (1, True)


def test_runs_at_the_same_time_agree(kubernetes: Cluster, namespace: str, provider: Provider) -> None:
    many = [{"name": f"s{n}", "keys": {"a": {"kind": "password"}, "b": {"kind": "password"}}} for n in range(12)]
    kubernetes.apply([secret_of(namespace, f"s{n}", {"a": b"first"}) for n in range(0, 12, 2)])
    command = provider.command(many)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: finished(command, provider.env), range(4)))
    assert [r.returncode for r in results] == [0] * 4, [r.stdout for r in results]
    wrote = [line for r in results for line in r.stdout.splitlines() if line.startswith("Secret ")]
    assert len(wrote) == len({line.split(":")[0] for line in wrote}) == 12


class Meddler(Kube):
    """The API, with somebody who writes between the first reading of a Secret and what follows."""

    def get(self, resource: Resource, name: str) -> Object:
        found: Object | Exception
        try:
            found = super().get(resource, name)
        except NotFound as error:
            found = error
        if writes := self.writes.pop(name, None):
            writes()
        if isinstance(found, Exception):
            raise found
        return found

    writes: ClassVar[dict[str, Callable[[], Any]]] = {}


@pytest.mark.parametrize("before", [None, {"a": b"1"}], ids=["absent", "incomplete"])
def test_what_somebody_else_wrote_meanwhile_is_never_overwritten(
    kubernetes: Cluster, programs: Programs, namespace: str, before: dict[str, bytes] | None
) -> None:
    kubernetes.apply(account(namespace, "credentials", [rule("secrets", "get", "create", "patch")]))
    kubernetes.mount(namespace, "credentials", programs.directory)
    kubernetes.apply([secret_of(namespace, "s", before)] if before else [])
    api = Meddler(host=kubernetes.host, port=kubernetes.port, namespace=namespace, directory=str(programs.directory))
    api.writes["s"] = lambda: kubernetes.apply([secret_of(namespace, "s", {"a": b"1", "b": b"theirs"})])
    wanted = Credential(name="s", keys={key: Value(kind="password") for key in "abc"})
    assert Vault(api).settle(wanted) == "filled c"
    data = secret(kubernetes, namespace, "s")["data"]
    assert (data["a"], data["b"], len(data["c"])) == (b"1", b"theirs", 32)


@pytest.mark.parametrize(("verbs", "lacking"), [((), "get"), (("get",), "create"), (("get", "create"), "patch")])
def test_a_role_that_lacks_a_verb_is_named_with_what_it_lacks(
    kubernetes: Cluster, programs: Programs, namespace: str, verbs: tuple[str, ...], lacking: str
) -> None:
    kubernetes.apply([secret_of(namespace, "nova-database", {})] if lacking == "patch" else [])
    result = Provider(kubernetes, programs, namespace, [rule("secrets", *verbs)] if verbs else []).run(WANTED)
    assert result.returncode == 1
    assert f"failed: the Role of this service account lacks the verb '{lacking}' on 'secrets': " in result.stdout
