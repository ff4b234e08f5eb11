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
    if vault.use_ssl and vault.vault_url and not vault.vault_url.startswith("https://"):
        yield Problem(
            path=f"{PATH}.vault_url",
            what=f"{vault.vault_url!r} has no certificate that could be checked",
            hint="Use https, or set use_ssl to false",
        )
