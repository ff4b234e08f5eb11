"""What must hold between the fields of ``spec.features.barbican``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem
from stackloom_openstack.barbican.features import BarbicanFeatures

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

PATH = "spec.features.barbican.backends.vault"


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Problems of the key manager: a Vault that is not described."""
    vault = deployment.features_of("barbican", BarbicanFeatures).backends.vault
    if not vault.enabled:
        return
    for key in ("vault_url", "approle_role_id", "approle_secret_id"):
        if getattr(vault, key) is None:
            yield Problem(path=PATH, what=f"Vault is enabled without {key}", hint=f"Add {key}, or set enabled to false")
    scheme = vault.vault_url.partition("://")[0] if vault.vault_url else ""
    if scheme not in ("", "http", "https"):
        yield Problem(
            path=f"{PATH}.vault_url", what=f"Vault is called by http or https, not by {scheme}", hint="Write https://..."
        )
    if not vault.use_ssl and scheme == "https":
        yield Problem(
            path=f"{PATH}.use_ssl",
            what="Barbican always checks the certificate of an https address",
            hint="Leave it out, and name the authority that signed the certificate in ssl_ca_crt_file",
        )
    if vault.use_ssl and scheme == "http":
        yield Problem(
            path=f"{PATH}.vault_url",
            what=f"{vault.vault_url!r} has no certificate that could be checked",
            hint="Use https, or set use_ssl to false",
        )
