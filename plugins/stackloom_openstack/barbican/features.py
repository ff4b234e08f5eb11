"""``spec.features.barbican``: where secrets are kept."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from stackloom.fields import NonEmpty, Secret, SpecModel, Url, ValueFrom, refuse


def _path(value: str) -> str:
    if re.fullmatch(r"/\S+", value) is None:
        refuse(f"{value!r} is not the path of a file", "Write it whole, like /etc/ssl/certs/vault.pem")
    return value


AbsolutePath = Annotated[str, AfterValidator(_path)]


class Vault(SpecModel):
    """HashiCorp Vault as the store of secrets. Barbican logs in with an AppRole."""

    enabled: bool = False
    """Keep new secrets in Vault. Those of the simple crypto store stay readable."""
    vault_url: Url | None = None
    """Vault's URL, like https://vault.example.org:8200. Needed when enabled."""
    approle_role_id: Secret | None = None
    """The AppRole's role id. Needed when enabled."""
    approle_secret_id: Secret | None = None
    """The AppRole's secret id. Needed when enabled."""
    namespace: NonEmpty | None = None
    """The namespace of Vault Enterprise in which the store is."""
    kv_mountpoint: NonEmpty = "secret"
    """Where the KV store is mounted in Vault."""
    use_ssl: bool = True
    """Call Vault by https, which always checks its certificate. Set to false to allow an address with http."""
    ssl_ca_crt_file: AbsolutePath | ValueFrom | None = None
    """The CA that signed Vault's certificate: a file in the image, or a key of a Secret."""


class Backends(SpecModel):
    """The stores of secrets. Without one, secrets are encrypted with a generated key and kept in the database."""

    vault: Vault = Vault()
    """HashiCorp Vault."""


class BarbicanFeatures(SpecModel):
    """The key manager: Barbican."""

    backends: Backends = Backends()
    """The stores of secrets."""
