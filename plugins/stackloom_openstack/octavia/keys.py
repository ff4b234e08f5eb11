"""Who is who between Octavia and its amphorae, and what keeps it secret.

Two authorities: with the one Octavia issues each amphora a certificate, with its key, for 30 days; its housekeeping issues
them anew. From the other comes the certificate by which amphorae know Octavia. Neither is trusted by anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import SecretFile, SecretKey, Value, authority_keys, certificate_keys

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

AMPHORAE_AUTHORITY, CLIENT_AUTHORITY, CLIENT_TLS = "octavia-amphorae-authority", "octavia-client-authority", "octavia-client-tls"
KEYS = "octavia-keys"
# Keys in the database are encrypted with one of exactly so many characters.
KEY_LENGTH = 32

_DIRECTORY = "/etc/octavia/certs"
_FILES = {
    "amphorae-ca.crt": (AMPHORAE_AUTHORITY, "ca.crt"),
    "amphorae-ca.key": (AMPHORAE_AUTHORITY, "ca.key"),
    "client-ca.crt": (CLIENT_TLS, "ca.crt"),
    "client.pem": (CLIENT_TLS, "client.pem"),
}


def describe(ctx: ServiceContext) -> None:
    """The Secrets. Only Octavia's own Pods read them; the key of the clients' authority no Pod at all."""
    ctx.credential(AMPHORAE_AUTHORITY, authority_keys("amphorae"))
    ctx.credential(
        CLIENT_TLS,
        # One file with both parts is all that Octavia can be told of.
        {**certificate_keys(CLIENT_AUTHORITY, usages=("client",)), "client.pem": Value.template("$(tls.crt)$(tls.key)")},
    )
    ctx.credential(KEYS, {"heartbeat": Value.password(), "certificates": Value.password(KEY_LENGTH)})


def files(_: ServiceContext) -> list[SecretFile]:
    """What is mounted where amphorae are built, called or heard."""
    return [SecretFile(f"{_DIRECTORY}/{name}", secret, key) for name, (secret, key) in _FILES.items()]


def env() -> dict[str, SecretKey]:
    """With what heartbeats are signed, and certificates in the database encrypted."""
    return {
        "OS_HEALTH_MANAGER__HEARTBEAT_KEY": SecretKey(secret=KEYS, key="heartbeat"),
        "OS_CERTIFICATES__SERVER_CERTS_KEY_PASSPHRASE": SecretKey(secret=KEYS, key="certificates"),
    }


def signing() -> dict[str, Any]:
    """Of [certificates], with what amphorae get theirs. A passphrase would lie beside the key, for the same Pods."""
    return {"ca_certificate": f"{_DIRECTORY}/amphorae-ca.crt", "ca_private_key": f"{_DIRECTORY}/amphorae-ca.key"}


def calling() -> dict[str, Any]:
    """Of [haproxy_amphora], how amphorae are called."""
    return {"client_cert": f"{_DIRECTORY}/client.pem", "server_ca": f"{_DIRECTORY}/amphorae-ca.crt"}


def for_amphorae() -> dict[str, Any]:
    """Of [controller_worker], whom amphorae let in."""
    return {"client_ca": f"{_DIRECTORY}/client-ca.crt"}
