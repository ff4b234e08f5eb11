"""Log-in through OpenID Connect: what the specification says of it, as Apache, Keystone and the programs are to know it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stackloom import ConfigFile, Multi, Problem, SecretDirectory, SecretFile, SecretKey, Value
from stackloom_openstack.keystone import apache
from stackloom_openstack.keystone.features import Directives, Keycloak, KeystoneFeatures, OpenId, Provider, ProviderMetadata, ValueFrom

if TYPE_CHECKING:
    from stackloom import BySize
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part

KEYCLOAK = "keycloak"
ISSUER_CLAIM = "HTTP_OIDC_ISS"
CREDENTIAL, PASSPHRASE = "keystone-oidc", "OIDC_CRYPTO_PASSPHRASE"
CONFIGURATION = "/etc/keystone/apache.conf"
AUTHORITIES = "/etc/keystone/oidc-ca"
METADATA_PLAN = "/etc/keystone/oidc-metadata.json"
METADATA = f"{apache.WRITABLE}/metadata"
BUNDLE = f"{apache.WRITABLE}/authorities.pem"
DESCRIPTION = ".well-known/openid-configuration"

# Who is in the provider's realm comes in under the same name, with the provider's roles as groups.
DEFAULT_MAPPING: list[dict[str, Any]] = [
    {
        "local": [{"user": {"name": "{0}", "email": "{1}"}}, {"groups": "{2}", "domain": {"name": "Default"}}],
        "remote": [{"type": "OIDC-iam_username"}, {"type": "OIDC-email"}, {"type": "OIDC-iam_roles"}],
    }
]

# The words of mod_auth_openidc's metadata files, as directives for its only provider.
_DIRECTIVE_OF = {
    "client": {"client_id": "OIDCClientID", "client_secret": "OIDCClientSecret", "token_endpoint_auth": "OIDCProviderTokenEndpointAuth"},
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
        "userinfo_refresh_interval": "OIDCUserInfoRefreshInterval",
        "validate_issuer": "OIDCValidateIssuer",
        "verify_jwks_uri": "OIDCOAuthVerifyJwksUri",
    },
}
_CHECKS_TOKENS = ("OIDCOAuthVerify", "OIDCOAuthIntrospection", "OIDCOAuthServerMetadataURL")

SSO_CALLBACK = """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Logging in</title>
  </head>
  <body>
    <form id="back" method="post" action="$host">
      <input type="hidden" name="token" value="$token">
      <noscript><button type="submit">Go on to the dashboard</button></noscript>
    </form>
    <script>document.getElementById("back").submit();</script>
  </body>
</html>
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogIn:
    """Log-in as it was chosen: ``providers`` are those that are on, ``directives`` mod_auth_openidc's but for what follows
    from the cluster. With ``oauth2`` mod_oauth2 checks access tokens, and each provider is described in files of its own."""

    host: str
    redirect_uri: str
    oauth2: bool
    providers: Mapping[str, Provider]
    directives: Directives


@dataclass(slots=True)
class Variables:
    """The environment variables by which secrets of the specification reach a Pod."""

    env: dict[str, SecretKey] = field(default_factory=dict)

    def of(self, value: ValueFrom) -> str:
        """The name of the variable that holds the value."""
        ref = value.value_from.secret_key_ref
        key = SecretKey(secret=ref.name, key=ref.key)
        known = {secret: name for name, secret in self.env.items()}
        name = known.get(key, f"OIDC_SECRET_{len(self.env) + 1}")
        self.env[name] = key
        return name

    def for_apache(self, directives: Directives) -> dict[str, Any]:
        """The directives with variables in place of secrets."""
        return {name: apache.Variable(self.of(v)) if isinstance(v, ValueFrom) else v for name, v in directives.items()}

    def for_program(self, settings: Directives) -> dict[str, Any]:
        """The settings as programs read them: {"env": NAME} in place of secrets."""
        return {name: {"env": self.of(v)} if isinstance(v, ValueFrom) else v for name, v in settings.items()}


# -- What was chosen ---------------------------------------------------------------------------------------------------


def choose(ctx: ServiceContext, features: KeystoneFeatures) -> LogIn | None:
    """How users of other systems log in; None where they do not."""
    return log_in(features, ctx.deployment.spec.public_domain_name)


def log_in(features: KeystoneFeatures, domain: str) -> LogIn | None:
    """The same, of a cloud whose public names end in ``domain``."""
    if features.federation and features.federation.openid.enabled:
        return _of_providers(features.federation.openid, domain)
    return _of_keycloak(features.keycloak, domain) if features.keycloak.enabled and features.keycloak.url else None


def _of_providers(openid: OpenId, domain: str) -> LogIn:
    providers = {name: provider for name, provider in sorted(openid.providers.items()) if provider.enabled}
    return _log_in(domain, providers, openid.oidc, oauth2=openid.oidc_auth_type == "oauth2")


def _of_keycloak(keycloak: Keycloak, domain: str) -> LogIn:
    own = keycloak.oidc
    directives = {name: value for name in type(own).model_fields if (value := getattr(own, name)) is not None}
    described_at = own.OIDCProviderMetadataURL or f"{str(keycloak.url).rstrip('/')}/auth/realms/iam/{DESCRIPTION}"
    provider = Provider(issuer=described_at.removesuffix(f"/{DESCRIPTION}"), description="External Authentication Service")
    return _log_in(domain, {KEYCLOAK: provider}, directives, oauth2=False)


def _log_in(domain: str, providers: Mapping[str, Provider], own: Directives, *, oauth2: bool) -> LogIn:
    host = f"keystone.{domain}"
    # One for all providers, at each of which it is registered: it must not change as they come and go. Existing clouds have
    # Keycloak's. It ends in a slash because the paths without one are Keystone's own.
    path = apache.Entrance(provider=KEYCLOAK, issuer="").web if KEYCLOAK in providers else apache.WEB_LOG_IN
    chosen = own.get("OIDCRedirectURI")
    redirect_uri = next((str(v) for v in (chosen if isinstance(chosen, list) else [chosen]) if v), f"https://{host}{path}/")
    directives: Directives = {
        "OIDCClaimDelimiter": ";",
        "OIDCClaimPrefix": "OIDC-",
        "OIDCOAuthSSLValidateServer": True,
        "OIDCRedirectURLsAllowed": [rf"^https://horizon\.{re.escape(domain)}/auth/logout$"],
        "OIDCSSLValidateServer": True,
        "OIDCSessionInactivityTimeout": 1800,
        # TLS ends at the Ingress. What browsers call, and must come back to, is still https.
        "OIDCXForwardedHeaders": "X-Forwarded-Proto",
    }
    if oauth2:
        directives["OIDCProviderMetadataRefreshInterval"] = 86400
    else:
        ((name, provider),) = providers.items()
        directives |= _only_provider(name, provider, own)
    return LogIn(
        host=host, redirect_uri=redirect_uri, oauth2=oauth2, providers=providers, directives={**directives, **own, "OIDCRedirectURI": redirect_uri}
    )


def _only_provider(name: str, provider: Provider, own: Directives) -> Directives:
    """A single provider in directives, as oauth20 has it."""
    issuer = provider.issuer.rstrip("/")
    directives: Directives = {"OIDCProviderMetadataURL": f"{issuer}/{DESCRIPTION}"}
    for part, words in _DIRECTIVE_OF.items():
        given: Directives = getattr(provider.metadata, part)
        directives |= {words[word]: value for word, value in given.items() if word in words}
    if "OIDCSSLValidateServer" in directives:
        directives["OIDCOAuthSSLValidateServer"] = directives["OIDCSSLValidateServer"]
    if any(known.startswith(_CHECKS_TOKENS) for known in (*directives, *own)):
        return directives
    if name == KEYCLOAK:
        return {**directives, "OIDCOAuthVerifyJwksUri": f"{issuer}/protocol/openid-connect/certs"}
    as_client = {f"OIDCOAuth{what}": directives[f"OIDC{what}"] for what in ("ClientID", "ClientSecret") if f"OIDC{what}" in directives}
    return {**directives, **as_client, "OIDCOAuthServerMetadataURL": f"{issuer}/{DESCRIPTION}"}


def problems(features: KeystoneFeatures) -> Iterator[Problem]:
    """What of the chosen log-in cannot be done."""
    openid = features.federation.openid if features.federation and features.federation.openid.enabled else None
    if openid is None:
        return
    path = "spec.features.keystone.federation.openid"
    yield from _unwritable(openid.oidc, f"{path}.oidc")
    if isinstance(openid.oidc.get("OIDCRedirectURI"), ValueFrom):
        yield Problem("where providers send users back to is no secret, and must be known here", "Write the URL", f"{path}.oidc.OIDCRedirectURI")
    for name, provider in openid.providers.items():
        where = f"{path}.providers.{name}"
        yield from _unwritable(provider.oauth2, f"{where}.oauth2")
        if openid.oidc_auth_type == "oauth20" and provider.enabled:
            yield from _beyond_directives(provider.metadata, f"{where}.metadata")


def _unwritable(directives: Directives, path: str) -> Iterator[Problem]:
    for name, value in directives.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
            yield Problem(f"{name!r} is not the name of a directive of Apache", "Directives are letters and digits", path)
        if any("\n" in str(text) for text in (value if isinstance(value, list) else [value])):
            yield Problem("a directive of Apache is one line", "Remove the line break", f"{path}.{name}")


def _beyond_directives(metadata: ProviderMetadata, path: str) -> Iterator[Problem]:
    hint = "Set oidc_auth_type: oauth2, or use directives under oidc"
    if metadata.provider:
        yield Problem("metadata of a provider are files, which the auth type oauth20 does not read", hint, f"{path}.provider")
    for part, words in _DIRECTIVE_OF.items():
        for word in getattr(metadata, part):
            if word not in words:
                yield Problem(f"{word!r} has no directive, and the auth type oauth20 reads no metadata files", hint, f"{path}.{part}.{word}")


# -- What comes of it --------------------------------------------------------------------------------------------------


def sections(ctx: ServiceContext, features: KeystoneFeatures) -> dict[str, dict[str, Any]]:
    """The sections of keystone.conf that log-in needs."""
    if choose(ctx, features) is None:
        return {}
    dashboard = f"https://horizon.{ctx.deployment.spec.public_domain_name}"
    return {
        # Without `external`: it would take whom Apache let in for a local user of that name.
        "auth": {"methods": ["password", "token", "mapped", "application_credential"]},
        "federation": {"remote_id_attribute": ISSUER_CLAIM, "trusted_dashboard": Multi((f"{dashboard}/auth/websso/",))},
    }


def apache_conf(chosen: LogIn, server: apache.Server, variables: Variables, memcached: Sequence[str]) -> str:
    """Apache's configuration. The secrets that it refers to are added to ``variables``."""
    from_cluster: dict[str, Any] = {
        # Any Pod knows the sessions that another has opened: no browser is bound to one Pod.
        "OIDCCacheEncrypt": True,
        "OIDCCacheType": "memcache",
        "OIDCCryptoPassphrase": apache.Variable(PASSPHRASE),
        "OIDCMemCacheServers": " ".join(memcached),
        "OIDCSessionCacheFallbackToCookie": True,
    }
    if authorities := _authorities(chosen):
        from_cluster["OIDCCABundlePath"] = BUNDLE if chosen.oauth2 else authorities[0].path
    entrances = [
        apache.Entrance(provider=name, issuer=p.issuer, tokens=variables.for_apache(_token_checks(p)) if chosen.oauth2 else None)
        for name, p in chosen.providers.items()
    ]
    directives = from_cluster | variables.for_apache(chosen.directives)
    return apache.configuration(
        server, directives, entrances, redirect_uri=chosen.redirect_uri, metadata=METADATA if chosen.oauth2 else None
    )


def _token_checks(provider: Provider) -> Directives:
    described_at = f"{provider.issuer.rstrip('/')}/{DESCRIPTION}"
    return {"OAuth2TargetPass": "prefix=OIDC-", "OAuth2TokenVerify": ["metadata", described_at], **provider.oauth2}


def _authorities(chosen: LogIn) -> list[SecretFile]:
    """The certificates of the authorities that signed those of providers."""
    refs = {name: p.oidc_ca.value_from.secret_key_ref for name, p in chosen.providers.items() if p.oidc_ca}
    return [SecretFile(f"{AUTHORITIES}/{name}.pem", ref.name, ref.key) for name, ref in refs.items()]


def metadata_plan(chosen: LogIn, variables: Variables) -> dict[str, Any]:
    """What programs/oidc_metadata.py is to write. The secrets that it refers to are added to ``variables``."""
    providers = [
        {
            "issuer": p.issuer,
            "client": variables.for_program(p.metadata.client),
            "conf": variables.for_program(p.metadata.conf),
            **({"authority": f"{AUTHORITIES}/{name}.pem"} if p.oidc_ca else {}),
            **({"provider": {"env": variables.of(p.metadata.provider)}} if p.metadata.provider else {}),
        }
        for name, p in chosen.providers.items()
    ]
    return {"directory": METADATA, **({"bundle": BUNDLE} if _authorities(chosen) else {}), "providers": providers}


def api_under_apache(
    ctx: ServiceContext,
    chosen: LogIn,
    *,
    config: Sequence[ConfigFile | SecretDirectory],
    after: Sequence[Part],
    replicas: BySize | int,
    workers: BySize | int,
) -> None:
    """Keystone's API, as ``ctx.api`` makes it, under Apache.

    Apache takes SIGTERM, the only signal that Kubernetes has for it, as an order to drop what it does. By then nothing is left
    to drop: the Pod gets no new requests for the ten seconds before, and no connection outlives its request.
    """
    ctx.credential(CREDENTIAL, {"passphrase": Value.password()})
    variables = Variables()
    port = ctx.endpoint(ctx.service.type).port
    server = apache.Server(name=chosen.host, listen=str(port), workers=ctx.by_size(workers))
    files: list[Any] = [
        ctx.file(CONFIGURATION, apache_conf(chosen, server, variables, ctx.memcached_servers())),
        ctx.file(server.script, apache.WSGI_SCRIPT),
        ctx.file("/etc/keystone/sso_callback_template.html", SSO_CALLBACK),
        *_authorities(chosen),
    ]
    before = []
    if chosen.oauth2:
        plan = metadata_plan(chosen, variables)
        files += [ctx.program("oidc_metadata.py"), ctx.file(METADATA_PLAN, json.dumps(plan, indent=2) + "\n")]
        before = [["python3", "/opt/stackloom/programs/oidc_metadata.py", METADATA_PLAN]]
    ctx.api(
        command=["apache2", "-DFOREGROUND", "-f", CONFIGURATION],
        before=before,
        config=[*config, *files],
        env={PASSPHRASE: SecretKey(secret=CREDENTIAL, key="passphrase"), **variables.env},
        writable=[apache.WRITABLE],
        after=after,
        replicas=replicas,
        workers=workers,
    )
    ctx.allow_egress(443, *(_port(p.issuer) for p in chosen.providers.values()))


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (80 if parts.scheme == "http" else 443)


def registration(chosen: LogIn) -> dict[str, Any]:
    """What programs/federation.py is to make of Keystone. Providers that are off are not named: it disables those."""
    return {
        "providers": [
            {
                "name": name,
                "remote_ids": [provider.issuer],
                "description": provider.description,
                "protocol": apache.PROTOCOL,
                "mapping": provider.mapping or DEFAULT_MAPPING,
            }
            for name, provider in chosen.providers.items()
        ]
    }


def register(ctx: ServiceContext, chosen: LogIn) -> None:
    """Enter the providers, and what their users are in the cloud, in Keystone."""
    path = "/etc/stackloom/federation.json"
    ctx.task(
        "federation",
        kind="catalogue",
        image="toolbox",
        command=["python3", "/opt/stackloom/programs/federation.py", path],
        config=[ctx.program("federation.py"), ctx.file(path, json.dumps(registration(chosen), indent=2) + "\n")],
        env=ctx.admin_env(),
        needs=["identity"],
        credentials=False,
    )
