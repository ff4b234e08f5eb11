"""Certificates: members of the databases, their clients, and nobody else."""

from __future__ import annotations

from collections.abc import Sequence

from stackloom import SecretFile

MEMBER_TLS = "ovn-member-tls"
CLIENT_TLS = "ovn-client-tls"


def tls_files(secret: str) -> dict[str, SecretFile]:
    """What to trust, a certificate and its key, by what OVN calls them."""
    names = {"ca-cert": "ca.crt", "certificate": "tls.crt", "private-key": "tls.key"}
    return {option: SecretFile(f"/etc/ovn/tls/{name}", secret, name) for option, name in names.items()}


def tls_options(secret: str) -> Sequence[str]:
    """The same, for the command line of any daemon of OVN."""
    return [f"--{option}={file.path}" for option, file in tls_files(secret).items()]
