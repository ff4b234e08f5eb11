"""Self-signed certificates, for clouds that bring none of their own. Needs the package ``cryptography``."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Nobody is told when it expires, so it outlives the cloud; who wants renewal brings certificates of an authority.
LIFETIME = datetime.timedelta(days=3650)
SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stackloom self-signed")])


def self_signed(names: Sequence[str]) -> tuple[bytes, bytes]:
    """A certificate for these DNS names and its private key, both in PEM. Clients trust it as their own root."""
    key = ec.generate_private_key(ec.SECP256R1())
    # An hour of grace for nodes whose clocks are behind.
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)  # noqa: UP017  # Python 3.10
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(SUBJECT)
        .issuer_name(SUBJECT)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), private


def names_lacking(pem: bytes, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that a certificate made here does not hold; none for a certificate from elsewhere, whatever it holds."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return []
    if certificate.subject != SUBJECT:
        return []
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    return [name for name in names if name not in held]
