"""HashiCorp Vault as the store of new secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stackloom import Multi, SecretFile, SecretKey
from stackloom.fields import ValueFrom

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom_openstack.barbican.features import Vault

CA_FILE = "/etc/barbican/vault-ca.crt"
PORTS = {"https": 443, "http": 80}


def sections(vault: Vault) -> dict[str, dict[str, Any]]:
    """Vault before the database: the first store takes what is new, and each is asked for what it has."""
    if not vault.enabled:
        return {}
    return {
        "secretstore": {"enabled_secretstore_plugins": Multi(("vault_plugin", "store_crypto"))},
        "vault_plugin": {
            "vault_url": vault.vault_url,
            "kv_mountpoint": vault.kv_mountpoint,
            "namespace": vault.namespace,
            "use_ssl": vault.use_ssl,
            "ssl_ca_crt_file": CA_FILE if isinstance(vault.ssl_ca_crt_file, ValueFrom) else vault.ssl_ca_crt_file,
        },
    }


def files(vault: Vault) -> tuple[SecretFile, ...]:
    """The authority of Vault's certificate, where it comes from a Secret."""
    if not vault.enabled or not isinstance(vault.ssl_ca_crt_file, ValueFrom):
        return ()
    ref = vault.ssl_ca_crt_file.value_from.secret_key_ref
    return (SecretFile(CA_FILE, ref.name, ref.key),)


def env(vault: Vault) -> dict[str, SecretKey]:
    """The AppRole with which the API logs in to Vault."""
    if not vault.enabled:
        return {}
    given = {"APPROLE_ROLE_ID": vault.approle_role_id, "APPROLE_SECRET_ID": vault.approle_secret_id}
    references = {name: value.value_from.secret_key_ref for name, value in given.items() if value}
    return {f"OS_VAULT_PLUGIN__{name}": SecretKey(secret=ref.name, key=ref.key) for name, ref in references.items()}


def open_network(ctx: ServiceContext, vault: Vault) -> None:
    """Let the API call Vault, which is outside the cloud."""
    if vault.enabled and vault.vault_url:
        url = urlsplit(vault.vault_url)
        ctx.allow_egress(url.port or PORTS[url.scheme])
