"""Tell mod_auth_openidc of its providers: write the metadata directory from which it reads them.

Reads the path of a JSON file,

    {"directory": "/run/apache2/metadata", "bundle": "/run/apache2/authorities.pem",
     "providers": [{"issuer": "https://sso.example.org/realms/cloud", "authority": "/etc/keystone/oidc-ca/sso.pem",
                    "client": {"client_id": "os", "client_secret": {"env": "OIDC_SECRET_1"}},
                    "conf": {"scope": "openid"}, "provider": {"env": "OIDC_SECRET_2"}}]}

where {"env": NAME} stands for what that variable holds. ``authority`` is the certificate of the authority that signed the
provider's; all of them, with those that the image trusts, make up the file ``bundle``. ``provider`` is how the provider
describes itself, where it does not do so at ``<issuer>/.well-known/openid-configuration``. All three may be absent.

A provider that does not answer must not keep Keystone from starting: mod_auth_openidc asks it again at the next log-in.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from program import Failure, environment, patiently, read_json, run, say

IMAGE_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
PATIENCE_SECONDS = 30
REQUEST_SECONDS = 10


class Silent(Failure):
    """A provider does not describe itself now."""


def file_name(issuer: str, kind: str) -> str:
    """The name under which mod_auth_openidc looks for an issuer's ``provider``, ``client`` or ``conf``."""
    return f"{quote(issuer.partition('://')[2].removesuffix('/'), safe='')}.{kind}"


def revealed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with what the environment holds in place of each {"env": NAME}. Raises Failure where it holds nothing."""
    return {name: environment(value["env"])[0] if isinstance(value, dict) else value for name, value in settings.items()}


def described(issuer: str, text: str | bytes, origin: str) -> dict[str, Any]:
    """The provider's description of itself, from ``text``. Raises Failure where that is not one, or of another issuer."""
    try:
        description = json.loads(text)
        named = description["issuer"]
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{origin} does not describe an OpenID Connect provider") from error
    if str(named).rstrip("/") != issuer.rstrip("/"):
        raise Failure(f"{origin} describes the issuer {named}, not {issuer}")
    found: dict[str, Any] = description
    return found


def ask(issuer: str, trust: ssl.SSLContext) -> dict[str, Any]:
    """What the provider says of itself. Raises Silent where it does not, or where its certificate is not trusted."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_SECONDS, context=trust) as answer:  # noqa: S310 - the issuer is a URL
            return described(issuer, answer.read(), url)
    except (OSError, http.client.HTTPException, Failure) as error:
        raise Silent(f"{url}: {error}") from error


def trust_of(provider: Mapping[str, Any], bundle: str | None) -> ssl.SSLContext:
    """Whom to trust when speaking to a provider: anybody, only where its ``conf`` says that certificates are not checked."""
    context = ssl.create_default_context(cafile=bundle)
    if str(provider["conf"].get("ssl_validate_server", True)).lower() in ("false", "off", "no", "0"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def write_bundle(path: str, providers: list[dict[str, Any]]) -> None:
    """Write the certificates that the image trusts, and those of the providers' authorities, into one file."""
    known = [IMAGE_AUTHORITIES] if Path(IMAGE_AUTHORITIES).is_file() else []
    own = [provider["authority"] for provider in providers if provider.get("authority")]
    Path(path).write_text("\n".join(Path(source).read_text(encoding="utf-8") for source in [*known, *own]), encoding="utf-8")


def settle(provider: Mapping[str, Any], directory: Path, bundle: str | None) -> None:
    """Write the files of one provider."""
    issuer = provider["issuer"]
    parts = {"client": revealed(provider["client"]), "conf": revealed(provider["conf"])}
    if provider.get("provider"):
        variable = provider["provider"]["env"]
        parts["provider"] = described(issuer, environment(variable)[0], f"the variable {variable}")
    else:
        trust = trust_of(provider, bundle)
        try:
            parts["provider"] = patiently(lambda: ask(issuer, trust), Silent, seconds=PATIENCE_SECONDS)
        except Failure as failure:
            say(f"nobody can log in through {issuer} until it answers: {failure}")
    for kind, content in parts.items():
        (directory / file_name(issuer, kind)).write_text(json.dumps(content), encoding="utf-8")
    say(f"wrote {', '.join(parts)} of {issuer}")


def main(arguments: list[str]) -> None:
    """Write the directory that the file of the first argument describes."""
    if len(arguments) != 1:
        raise Failure("usage: oidc_metadata.py FILE")
    wanted = read_json(arguments[0])
    os.umask(0o077)  # secrets of clients are among what is written
    directory = Path(wanted["directory"])
    directory.mkdir(exist_ok=True)
    bundle = wanted.get("bundle")
    if bundle:
        write_bundle(bundle, wanted["providers"])
    for provider in wanted["providers"]:
        settle(provider, directory, bundle)


if __name__ == "__main__":
    run(main)
