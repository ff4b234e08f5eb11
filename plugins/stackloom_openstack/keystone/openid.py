"""Log-in through OpenID Connect, as it was chosen, and what of it cannot be done."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stackloom import Problem
from stackloom.fields import ValueFrom
from stackloom_openstack.keystone.apache import WEB_LOG_IN, Entrance
from stackloom_openstack.keystone.features import Directives, Keycloak, KeystoneFeatures, OpenId, Provider, ProviderMetadata

KEYCLOAK = "keycloak"
DESCRIPTION = ".well-known/openid-configuration"

# The words of mod_auth_openidc's metadata files, as directives for the only provider.
_DIRECTIVES = {
    "client": {
        "client_id": "OIDCClientID",
        "client_secret": "OIDCClientSecret",
    },
    "conf": {
        "auth_request_params": "OIDCAuthRequestParams",
        "idtoken_iat_slack": "OIDCIDTokenIatSlack",
        "jwks_refresh_interval": "OIDCJWKSRefreshInterval",
        "oauth_verify_jwks_uri": "OIDCOAuthVerifyJwksUri",
        "pkce_method": "OIDCPKCEMethod",
        "response_mode": "OIDCResponseMode",
        "response_type": "OIDCResponseType",
        "scope": "OIDCScope",
        "session_max_duration": "OIDCSessionMaxDuration",
        "ssl_validate_server": "OIDCSSLValidateServer",
        "token_endpoint_auth": "OIDCProviderTokenEndpointAuth",
        "userinfo_refresh_interval": "OIDCUserInfoRefreshInterval",
        "validate_issuer": "OIDCValidateIssuer",
        "verify_jwks_uri": "OIDCOAuthVerifyJwksUri",
    },
}
_SAY_HOW_TOKENS_ARE_CHECKED = ("OIDCOAuthVerify", "OIDCOAuthIntrospection", "OIDCOAuthServerMetadataURL")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogIn:
    """Log-in as it was chosen: ``providers`` are those that are on, ``directives`` are mod_auth_openidc's.

    ``host`` is Keystone's for the public, ``redirect_uri`` where providers send users back to. With ``oauth2`` each provider
    is described in files of its own and mod_oauth2 checks access tokens; without, there is one provider, and directives do.
    """

    host: str
    redirect_uri: str
    oauth2: bool
    providers: Mapping[str, Provider]
    directives: Directives


def log_in(features: KeystoneFeatures, domain: str) -> LogIn | None:
    """How users of other systems log in to a cloud whose public names end in ``domain``; None where they do not."""
    if features.federation and features.federation.openid.enabled:
        return _of_providers(features.federation.openid, domain)
    return _of_keycloak(features.keycloak, domain) if features.keycloak.enabled else None


def _of_providers(openid: OpenId, domain: str) -> LogIn:
    providers = {name: provider for name, provider in sorted(openid.providers.items()) if provider.enabled}
    return _of(providers, openid.oidc, domain, oauth2=openid.oidc_auth_type == "oauth2")


def _of_keycloak(keycloak: Keycloak, domain: str) -> LogIn:
    own = keycloak.oidc
    directives: Directives = {name: value for name in type(own).model_fields if (value := getattr(own, name)) is not None}
    described_at = own.OIDCProviderMetadataURL or f"{str(keycloak.url).rstrip('/')}/auth/realms/iam/{DESCRIPTION}"
    provider = Provider(issuer=described_at.removesuffix(f"/{DESCRIPTION}"), description="External Authentication Service")
    return _of({KEYCLOAK: provider}, directives, domain, oauth2=False)


def _of(providers: Mapping[str, Provider], own: Directives, domain: str, *, oauth2: bool) -> LogIn:
    host = f"keystone.{domain}"
    # One for all: it is registered at each provider, and must not change as others come and go. With Keycloak it is the one
    # that existing clouds have registered. It ends in a slash because the path without is Keystone's own.
    path = Entrance(provider=KEYCLOAK).web if KEYCLOAK in providers else WEB_LOG_IN
    chosen = own.get("OIDCRedirectURI", [])
    redirect_uri = next((str(uri) for uri in (chosen if isinstance(chosen, list) else [chosen])), f"https://{host}{path}/")
    directives: Directives = {
        "OIDCClaimDelimiter": ";",
        "OIDCClaimPrefix": "OIDC-",
        "OIDCOAuthSSLValidateServer": True,
        "OIDCRedirectURLsAllowed": [rf"^https://horizon\.{re.escape(domain)}/auth/logout$"],
        "OIDCSSLValidateServer": True,
        "OIDCSessionInactivityTimeout": 1800,
        # TLS ends at the Ingress. What browsers called, and come back to, is https all the same.
        "OIDCXForwardedHeaders": "X-Forwarded-Proto",
    }
    if oauth2:
        directives["OIDCProviderMetadataRefreshInterval"] = 86400
    else:
        ((name, provider),) = providers.items()
        directives |= _only_provider(name, provider, own)
    directives |= {**own, "OIDCRedirectURI": redirect_uri}
    return LogIn(host=host, redirect_uri=redirect_uri, oauth2=oauth2, providers=providers, directives=directives)


def _only_provider(name: str, provider: Provider, own: Directives) -> Directives:
    """A provider in directives. Its access tokens are checked as ``own`` says, or else the provider."""
    issuer = provider.issuer.rstrip("/")
    directives: Directives = {"OIDCProviderMetadataURL": f"{issuer}/{DESCRIPTION}"}
    for part, words in _DIRECTIVES.items():
        given: Directives = getattr(provider.metadata, part)
        directives |= {words[word]: value for word, value in given.items() if word in words}
    if "OIDCSSLValidateServer" in directives:
        directives["OIDCOAuthSSLValidateServer"] = directives["OIDCSSLValidateServer"]
    if any(known.startswith(_SAY_HOW_TOKENS_ARE_CHECKED) for known in (*directives, *own)):
        return directives
    if name == KEYCLOAK:
        # Its description names a place to ask about tokens, which answers clients with a secret only.
        return {**directives, "OIDCOAuthVerifyJwksUri": f"{issuer}/protocol/openid-connect/certs"}
    client = {
        f"OIDCOAuth{what}": directives[f"OIDC{what}"] for what in ("ClientID", "ClientSecret") if f"OIDC{what}" in directives
    }
    return {**directives, **client, "OIDCOAuthServerMetadataURL": f"{issuer}/{DESCRIPTION}"}


def problems(features: KeystoneFeatures) -> Iterator[Problem]:
    """What cannot be done of the log-in that was chosen."""
    openid = features.federation.openid if features.federation and features.federation.openid.enabled else None
    if openid is None:
        return
    path = "spec.features.keystone.federation.openid"
    yield from _not_lines(openid.oidc, f"{path}.oidc")
    if isinstance(openid.oidc.get("OIDCRedirectURI"), ValueFrom):
        what = "the URL that providers send users back to must be known here, and is no secret"
        yield Problem(what, "Write the URL itself", f"{path}.oidc.OIDCRedirectURI")
    for name, provider in openid.providers.items():
        yield from _not_lines(provider.oauth2, f"{path}.providers.{name}.oauth2")
        if openid.oidc_auth_type == "oauth20" and provider.enabled:
            yield from _not_directives(provider.metadata, f"{path}.providers.{name}.metadata")


def _not_lines(directives: Directives, path: str) -> Iterator[Problem]:
    for name, value in directives.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
            yield Problem(f"{name!r} is not the name of a directive of Apache", "Directives are letters and digits", path)
        if any("\n" in str(text) for text in (value if isinstance(value, list) else [value])):
            yield Problem("a directive of Apache does not go over several lines", "Remove the line break", f"{path}.{name}")


def _not_directives(metadata: ProviderMetadata, path: str) -> Iterator[Problem]:
    hint = "Set oidc_auth_type: oauth2, or write directives under oidc"
    if metadata.provider:
        yield Problem("the auth type oauth20 reads no description of a provider but the provider's own", hint, f"{path}.provider")
    for part, words in _DIRECTIVES.items():
        for word in getattr(metadata, part):
            if word not in words:
                yield Problem(f"the auth type oauth20 has no directive for {word!r}", hint, f"{path}.{part}.{word}")
