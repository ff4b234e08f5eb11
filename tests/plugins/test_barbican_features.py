from __future__ import annotations

from stackloom_openstack.barbican.features import BarbicanFeatures
from tests.plugins.cloud import cloud, problems

REF = {"value_from": {"secret_key_ref": {"name": "vault", "key": "id"}}}
VAULT = {"enabled": True, "vault_url": "https://vault.example.org:8200", "approle_role_id": REF, "approle_secret_id": REF}
PATH = "spec.features.barbican.backends.vault"


def test_without_a_word_secrets_are_kept_in_the_database() -> None:
    assert not cloud().features_of("barbican", BarbicanFeatures).backends.vault.enabled


def test_vault_is_taken_with_url_role_and_secret() -> None:
    vault = cloud({"barbican": {"backends": {"vault": VAULT}}}).features_of("barbican", BarbicanFeatures).backends.vault
    assert (vault.kv_mountpoint, vault.use_ssl, vault.namespace) == ("secret", True, None)


def test_the_authority_of_vault_is_a_file_or_a_secret() -> None:
    for authority in ("/etc/ssl/certs/vault.pem", REF):
        assert problems({"barbican": {"backends": {"vault": {**VAULT, "ssl_ca_crt_file": authority}}}}) == []


def test_vault_without_tls_is_used_only_knowingly() -> None:
    plain = {**VAULT, "vault_url": "http://vault.example.org:8200"}
    assert problems({"barbican": {"backends": {"vault": plain}}}) == [f"{PATH}.vault_url"]
    assert problems({"barbican": {"backends": {"vault": {**plain, "use_ssl": False}}}}) == []


def test_a_vault_that_is_off_need_not_be_described() -> None:
    assert problems({"barbican": {"backends": {"vault": {"enabled": False}}}}) == []
