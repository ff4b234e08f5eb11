from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]

REF = {"value_from": {"secret_key_ref": {"name": "vault", "key": "id"}}}
VAULT = {"enabled": True, "vault_url": "https://vault.example.org:8200", "approle_role_id": REF, "approle_secret_id": REF}
KEYS = "/etc/barbican/barbican.conf.d/keys.conf"


class TestContract(ServiceContract):
    service = "barbican"


def cloud(features: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small cloud of identity and the key manager alone, with what differs."""
    data = patched(USUAL, {"spec": {"size": "small", "features": {"services": ["identity", "key-manager"]}}})
    return patched(data, {"spec": {**spec, "features": features or {}}})


def barbican(output: Iterable[Output]) -> dict[str, dict[str, Any]]:
    """Its objects by kind and name, a Job without its hash."""
    return {f"{o.kind}/{o.labels.get('stackloom.io/job', o.name)}": o.body for o in output if o.component == "barbican"}


def pod(body: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = body["spec"].get("jobTemplate", body)["spec"]["template"]["spec"]
    return spec


def mounted(body: dict[str, Any]) -> set[str]:
    """The files from Secrets that the main container sees."""
    mounts = {m["name"]: m["mountPath"] for m in pod(body)["containers"][0]["volumeMounts"]}
    volumes = {
        mounts[v["name"]]: v["projected"]["sources"] for v in pod(body)["volumes"] if v["name"] in mounts and "projected" in v
    }
    secrets = [(path, source["secret"]) for path, sources in volumes.items() for source in sources if "secret" in source]
    return {f"{path}/{item['path']}" for path, secret in secrets for item in secret["items"]}


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "barbican")


def test_the_key_reaches_the_api_as_a_file_of_a_secret_and_nobody_else(manifests: Manifests):
    found = barbican(manifests(cloud()))
    running = {path: body for path, body in found.items() if path.startswith(("Deployment", "Job", "CronJob"))}
    assert {path for path, body in running.items() if KEYS in mounted(body)} == {"Deployment/barbican-api"}
    assert not any("kek" in text for text in found["ConfigMap/barbican-etc"]["data"].values())


def test_what_is_made_of_the_keys_is_a_file_of_oslo_config(manifests: Manifests):
    (wanted,) = (o.body["data"]["credentials.json"] for o in manifests(cloud()) if o.path == "credentials/ConfigMap/credentials")
    text = r"[simple_crypto_plugin]\nkek = $(key-1)\nkek = $(key-2)\n"
    assert '"keys-1.conf": {"kind": "template", "text": "' + text in wanted


def test_the_third_generation_writes_with_its_own_key_knows_the_next_and_reads_all_before(manifests: Manifests):
    rotated = manifests(cloud(credentials={"rotation": {"barbican": 3}}))
    (wanted,) = (o.body["data"]["credentials.json"] for o in rotated if o.path == "credentials/ConfigMap/credentials")
    order = r"kek = $(key-3)\nkek = $(key-4)\nkek = $(key-2)\nkek = $(key-1)\n"
    assert order in wanted
    assert KEYS in mounted(barbican(rotated)["Job/barbican-rewrap-3"])


def test_the_first_generation_encrypts_nothing_again(manifests: Manifests):
    assert not [path for path in barbican(manifests(cloud())) if "rewrap" in path]


def test_secrets_have_one_address_whoever_asks(manifests: Manifests):
    conf = barbican(manifests(cloud()))["ConfigMap/barbican-etc"]["data"]["barbican.conf"]
    assert "host_href = https://barbican." in conf


def test_vault_takes_what_is_new_and_the_database_is_still_read(manifests: Manifests):
    vault = {**VAULT, "namespace": "clouds", "ssl_ca_crt_file": REF}
    found = barbican(manifests(cloud({"barbican": {"backends": {"vault": vault}}})))
    conf = found["ConfigMap/barbican-etc"]["data"]["barbican.conf"]
    assert "enabled_secretstore_plugins = vault_plugin\nenabled_secretstore_plugins = store_crypto\n" in conf
    assert "namespace = clouds\nssl_ca_crt_file = /etc/barbican/vault-ca.crt\nuse_ssl = true\nvault_url = https://vault." in conf
    assert {"/etc/barbican/vault-ca.crt", KEYS} <= mounted(found["Deployment/barbican-api"])


def test_vaults_role_is_known_to_the_api_alone(manifests: Manifests):
    found = barbican(manifests(cloud({"barbican": {"backends": {"vault": VAULT}}})))
    assert {path for path, body in found.items() if "OS_VAULT_PLUGIN__APPROLE_SECRET_ID" in str(body)} == {
        "Deployment/barbican-api"
    }


@pytest.mark.parametrize(("url", "port"), [("https://vault.example.org:8200", 8200), ("https://vault.example.org", 443)])
def test_the_network_is_open_to_vault(manifests: Manifests, url: str, port: int):
    found = barbican(manifests(cloud({"barbican": {"backends": {"vault": {**VAULT, "vault_url": url}}}})))
    egress = found["NetworkPolicy/barbican"]["spec"]["egress"]
    assert {"ports": [{"port": port, "protocol": "TCP"}]} in egress


def test_a_vault_that_is_off_leaves_no_trace(manifests: Manifests):
    off = manifests(cloud({"barbican": {"backends": {"vault": {**VAULT, "enabled": False}}}}))
    assert barbican(off) == barbican(manifests(cloud()))


def test_an_audit_says_what_the_paths_mean(manifests: Manifests):
    audited = {"logging": {"cadf": {"enabled": True}}}
    data = barbican(manifests(cloud(audited)))["ConfigMap/barbican-etc"]["data"]
    assert "authtoken context microversion audit apiapp\n" in data["barbican-api-paste.ini"]
    assert "audit_map_file = /etc/barbican/api_audit_map.conf\n" in data["barbican-api-paste.ini"]
    assert "secrets = secret\n" in data["api_audit_map.conf"]


def test_deleted_rows_go_after_their_time(manifests: Manifests):
    kept = {"database": {"cleanup": {"barbican": {"age": 7}}}}
    command = pod(barbican(manifests(cloud(kept)))["CronJob/barbican-db-purge"])["containers"][0]["command"]
    assert command == ["barbican-manage", "db", "clean", "--min-days", "7"]


def test_the_account_is_no_administrator_and_the_roles_of_policies_are_made(manifests: Manifests):
    wanted = barbican(manifests(cloud()))["ConfigMap/barbican-etc"]["data"]["catalogue.json"]
    assert '"roles": [\n    "audit",\n    "creator",\n    "key-manager:service-admin",\n    "observer"\n  ]' in wanted
    assert '"roles": [\n        "service"\n      ]' in wanted
