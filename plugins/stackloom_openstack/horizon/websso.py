"""Log-in with an account of another system: what Horizon is told of the providers that Keystone knows.

Keystone's features are another plugin's, so they are read as what they are in the deployment, by their keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

PASSWORD = ("credentials", "Keystone Credentials")
# Keystone enters every provider with this protocol.
PROTOCOL = "mapped"


def providers(keystone: dict[str, Any]) -> dict[str, str]:
    """The providers in ``spec.features.keystone`` that are on, by name, and what people call them."""
    openid = (keystone.get("federation") or {}).get("openid") or {}
    if openid.get("enabled"):
        return {name: p["description"] or name for name, p in sorted(openid["providers"].items()) if p["enabled"]}
    return {"keycloak": "External Authentication Service"} if keystone["keycloak"]["enabled"] else {}


def settings(ctx: ServiceContext) -> dict[str, Any]:
    """The settings, none where users have passwords in Keystone alone."""
    known = providers(ctx.deployment.feature("keystone"))
    if not known:
        return {}
    return {
        "WEBSSO_ENABLED": True,
        "WEBSSO_CHOICES": [PASSWORD, *known.items()],
        "WEBSSO_IDP_MAPPING": {name: (name, PROTOCOL) for name in known},
        # Browsers go to Keystone by its public name.
        "WEBSSO_KEYSTONE_URL": ctx.url("identity", public=True),
        # What a browser says of where it comes from is that name too, by which Pods need not reach Keystone.
        "WEBSSO_USE_HTTP_REFERER": False,
    }
