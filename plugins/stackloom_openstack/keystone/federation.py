"""Log-in through OpenID Connect: what Apache, Keystone and the programs are told of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stackloom import Multi, SecretFile, SecretKey, Value
from stackloom.fields import ValueFrom
from stackloom_openstack.keystone import apache
from stackloom_openstack.keystone.features import Directives, KeystoneFeatures, Provider
from stackloom_openstack.keystone.openid import DESCRIPTION, LogIn, log_in

if TYPE_CHECKING:
    from stackloom import BySize, ConfigFile, SecretDirectory
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part

CREDENTIAL, PASSPHRASE = "keystone-oidc", "OIDC_CRYPTO_PASSPHRASE"
CONFIGURATION = "/etc/keystone/apache.conf"
METADATA_PLAN = "/etc/keystone/oidc-metadata.json"
REGISTRATION = "/etc/stackloom/federation.json"
SSO_CALLBACK = "/etc/keystone/sso_callback_template.html"

# A person keeps the name that the provider knows, and has the provider's roles as groups.
DEFAULT_MAPPING: list[dict[str, Any]] = [
    {
        "local": [{"user": {"name": "{0}", "email": "{1}"}}, {"groups": "{2}", "domain": {"name": "Default"}}],
        "remote": [{"type": "OIDC-iam_username"}, {"type": "OIDC-email"}, {"type": "OIDC-iam_roles"}],
    }
]

_SSO_CALLBACK_TEMPLATE = """\
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


def choose(ctx: ServiceContext, features: KeystoneFeatures) -> LogIn | None:
    """How users of other systems log in; None where they do not."""
    return log_in(features, ctx.deployment.spec.public_domain_name)


def sections(ctx: ServiceContext, features: KeystoneFeatures) -> dict[str, dict[str, Any]]:
    """The sections of keystone.conf on who may log in how."""
    if choose(ctx, features) is None:
        # Without `mapped`: it takes claims from the headers of any client, and it is Apache that turns forged ones away.
        return {"auth": {"methods": ["password", "token", "oauth1", "application_credential"]}}
    dashboard = f"https://horizon.{ctx.deployment.spec.public_domain_name}/auth/websso/"
    return {
        # Without `external`: it would take whom Apache let in for the user of that name in Keystone.
        "auth": {"methods": ["password", "token", "mapped", "application_credential"]},
        "federation": {"remote_id_attribute": "HTTP_OIDC_ISS", "trusted_dashboard": Multi((dashboard,))},
    }


def apache_conf(chosen: LogIn, server: apache.Server, memcached: Sequence[str], variables: Variables) -> str:
    """Apache's configuration. The secrets that it refers to are added to ``variables``."""
    from_cluster: dict[str, Any] = {
        # Any Pod knows the sessions that another has begun, so a browser may come to any. While the cache is away, it keeps
        # its session itself.
        "OIDCCacheEncrypt": True,
        "OIDCCacheType": "memcache",
        "OIDCCryptoPassphrase": apache.Variable(PASSPHRASE),
        "OIDCMemCacheServers": " ".join(memcached),
        "OIDCSessionCacheFallbackToCookie": True,
    }
    authorities = _authorities(chosen, server)
    if authorities:
        from_cluster["OIDCCABundlePath"] = server.bundle if chosen.oauth2 else authorities[0].path
    directives = from_cluster | variables.for_apache(chosen.directives)
    entrances = [
        apache.Entrance(provider=name, issuer=p.issuer, tokens=variables.for_apache(_checks(p)) if chosen.oauth2 else None)
        for name, p in chosen.providers.items()
    ]
    return apache.configuration(server, directives, entrances, redirect_uri=chosen.redirect_uri, from_files=chosen.oauth2)


def _checks(provider: Provider) -> Directives:
    """How mod_oauth2 checks access tokens: as the provider describes it, unless the specification says otherwise."""
    described_at = f"{provider.issuer.rstrip('/')}/{DESCRIPTION}"
    return {"OAuth2TargetPass": "prefix=OIDC-", "OAuth2TokenVerify": ["metadata", described_at], **provider.oauth2}


def _authorities(chosen: LogIn, server: apache.Server) -> list[SecretFile]:
    """The certificates of the authorities that signed those of providers."""
    refs = {name: p.oidc_ca.value_from.secret_key_ref for name, p in chosen.providers.items() if p.oidc_ca}
    return [SecretFile(f"{server.authorities}/{name}.pem", ref.name, ref.key) for name, ref in refs.items()]


def metadata_plan(chosen: LogIn, server: apache.Server, variables: Variables) -> dict[str, Any]:
    """What programs/oidc_metadata.py is to write. The secrets that it refers to are added to ``variables``."""
    providers = [
        {
            "issuer": p.issuer,
            "client": variables.for_program(p.metadata.client),
            "conf": variables.for_program(p.metadata.conf),
            **({"authority": f"{server.authorities}/{name}.pem"} if p.oidc_ca else {}),
            **({"provider": {"env": variables.of(p.metadata.provider)}} if p.metadata.provider else {}),
        }
        for name, p in chosen.providers.items()
    ]
    bundle = {"bundle": server.bundle} if _authorities(chosen, server) else {}
    return {"directory": server.metadata, **bundle, "providers": providers}


def api_under_apache(
    ctx: ServiceContext,
    chosen: LogIn,
    *,
    config: Sequence[ConfigFile | SecretDirectory],
    after: Sequence[Part],
    replicas: BySize | int,
    workers: BySize | int,
) -> None:
    """Keystone's API as ``ctx.api`` makes it, but under Apache.

    On SIGTERM, the only signal that Kubernetes sends it, Apache drops what it is doing. Nothing is left to drop by then: for
    the seconds before, the Pod gets no new requests, and no connection outlives the answer to its request.
    """
    ctx.credential(CREDENTIAL, {"passphrase": Value.password()})
    variables = Variables()
    listen = str(ctx.endpoint(ctx.service.type).port)
    server = apache.Server(name=chosen.host, listen=listen, workers=ctx.by_size(workers))
    files = [
        ctx.file(CONFIGURATION, apache_conf(chosen, server, ctx.memcached_servers(), variables)),
        ctx.file(server.script, apache.WSGI_SCRIPT),
        ctx.file(SSO_CALLBACK, _SSO_CALLBACK_TEMPLATE),
    ]
    before = []
    if chosen.oauth2:
        plan = json.dumps(metadata_plan(chosen, server, variables), indent=2) + "\n"
        files += [ctx.file(METADATA_PLAN, plan), *ctx.program("oidc_metadata.py")]
        before = [["python3", "/opt/stackloom/programs/oidc_metadata.py", METADATA_PLAN]]
    ctx.api(
        command=["apache2", "-DFOREGROUND", "-f", CONFIGURATION],
        before=before,
        config=[*config, *files, *_authorities(chosen, server)],
        env={PASSPHRASE: SecretKey(secret=CREDENTIAL, key="passphrase"), **variables.env},
        writable=[server.directory],
        after=after,
        replicas=replicas,
        workers=workers,
    )
    ctx.allow_egress(443, *(_port(provider.issuer) for provider in chosen.providers.values()))


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (80 if parts.scheme == "http" else 443)


def registration(chosen: LogIn) -> dict[str, Any]:
    """What programs/federation.py is to make of Keystone. It disables the providers that are not named: those that are off."""
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
    """Enter the providers in Keystone, and who their users are in the cloud."""
    ctx.task(
        "federation",
        kind="catalogue",
        image="toolbox",
        command=["python3", "/opt/stackloom/programs/federation.py", REGISTRATION],
        config=[ctx.program("federation.py"), ctx.file(REGISTRATION, json.dumps(registration(chosen), indent=2) + "\n")],
        env=ctx.admin_env(),
        needs=["identity"],
        credentials=False,
    )
