"""Barbican with Vault: what is new goes there, by an AppRole, in a namespace, with an authority of its own.

Vault itself cannot be had as a package, and takes half an hour to build; tests/real/vault.py speaks what is used of its API.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql

from tests.real.boot.network import NODE
from tests.real.boot.scenario import RunningCloud, Scenario
from tests.real.certificates import Authority
from tests.real.vault import Vault, served

PORT = 8200
VAULT = Vault(role_id="9f1c9a8e-role", secret_id="6b0f3d52-secret", namespace="clouds/one", mountpoint="barbican")
_FOLDER = tempfile.TemporaryDirectory(prefix="stackloom-vault-")
_AUTHORITY = Authority(Path(_FOLDER.name))
_CERTIFICATE = _AUTHORITY.issue("vault", "vault", addresses=(NODE,))


def reference(key: str) -> dict[str, Any]:
    return {"value_from": {"secret_key_ref": {"name": "vault", "key": key}}}


@contextmanager
def vault_runs() -> Iterator[None]:
    with served(VAULT, (NODE, PORT), *_CERTIFICATE):
        yield


def stored(cloud: RunningCloud, payload: str) -> str:
    made = cloud.admin.key_manager.create_secret(payload=payload, payload_content_type="text/plain")
    return str(made.secret_id)


def payload(cloud: RunningCloud, secret: str) -> tuple[int, str]:
    answer = cloud.admin.key_manager.get(f"/secrets/{secret}/payload", headers={"Accept": "text/plain"})
    return answer.status_code, answer.text


def a_secret_lies_in_vault_and_is_read_after_the_token_has_expired(cloud: RunningCloud) -> None:
    with vault_runs():
        secret = stored(cloud, "open sesame")
        (versions,) = VAULT.held.values()
        assert versions[-1]
        assert bytes.fromhex(versions[-1]["value"]) == b"open sesame"
        logins = len(VAULT.tokens)
        time.sleep(VAULT.lease_seconds + 1)
        assert payload(cloud, secret) == (200, "open sesame")
        assert len(VAULT.tokens) > logins
        cloud.admin.key_manager.delete_secret(secret)
        assert versions[-1] is None


def nothing_of_it_lies_in_the_database(cloud: RunningCloud) -> None:
    with vault_runs():
        stored(cloud, "elsewhere")
    account = cloud.node.secret("barbican-database")
    where = cloud.node.pod("mariadb-server").address
    with (
        pymysql.connect(host=where, user=account["username"], password=account["password"], database="barbican") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT COUNT(*) FROM encrypted_data")
        assert cursor.fetchone() == (0,)


def a_vault_that_was_away_is_found_again_without_a_restart(cloud: RunningCloud) -> None:
    with vault_runs():
        secret = stored(cloud, "patience")
    assert payload(cloud, secret)[0] == 500
    with vault_runs():
        assert payload(cloud, secret) == (200, "patience")
        VAULT.sealed = True
        assert payload(cloud, secret)[0] == 500
        VAULT.sealed = False
        assert payload(cloud, secret) == (200, "patience")


SCENARIO = Scenario(
    services=["key-manager"],
    alone=True,
    spec={
        "features": {
            "barbican": {
                "backends": {
                    "vault": {
                        "enabled": True,
                        "vault_url": f"https://{NODE}:{PORT}",
                        "namespace": VAULT.namespace,
                        "kv_mountpoint": VAULT.mountpoint,
                        "approle_role_id": reference("role-id"),
                        "approle_secret_id": reference("secret-id"),
                        "ssl_ca_crt_file": reference("ca.crt"),
                    }
                }
            }
        }
    },
    objects=[
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "vault", "namespace": "openstack"},
            "stringData": {
                "role-id": VAULT.role_id,
                "secret-id": VAULT.secret_id,
                "ca.crt": _AUTHORITY.certificate.read_text(),
            },
        }
    ],
    shows=[
        a_secret_lies_in_vault_and_is_read_after_the_token_has_expired,
        nothing_of_it_lies_in_the_database,
        a_vault_that_was_away_is_found_again_without_a_restart,
    ],
)
