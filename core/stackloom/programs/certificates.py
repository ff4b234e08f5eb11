"""Certificates that are made in the cluster: authorities, and what these issue.

Needs the package ``cryptography``.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Nobody is told when one expires, so it outlives the cloud. What an authority issued is renewed by any run in its last year.
LIFETIME = datetime.timedelta(days=3650)
AUTHORITY_LIFETIME = 2 * LIFETIME
RENEWAL = datetime.timedelta(days=365)
USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}

Pair = tuple[bytes, bytes]


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


ISSUED = _subject("stackloom issued")


def authority(title: str) -> Pair:
    """The certificate of a new authority and its private key, both in PEM. It may issue, but no further authorities."""
    key, subject = _new_key(), _subject(f"stackloom {title}")
    builder = _builder(key, subject, subject, key, lifetime=AUTHORITY_LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return _pem(builder.sign(key, hashes.SHA256()), key)


def issued(names: Sequence[str], usages: Iterable[str], issuer: Pair, *, strict: bool = True) -> Pair:
    """A certificate from ``issuer`` for these DNS names or addresses (none, for a mere client) and its private key, all in PEM.

    Not ``strict``, it has its usages for those who understand them: some programs insist on one that is none of these keys'.
    Raises ValueError where ``issuer`` is not the certificate of an authority with its key.
    """
    parent = x509.load_pem_x509_certificate(issuer[0])
    signer = serialization.load_pem_private_key(issuer[1], password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) or signer.public_key() != parent.public_key():
        raise ValueError("not the key of that certificate")
    key = _new_key()
    builder = _builder(key, ISSUED, parent.subject, signer, lifetime=LIFETIME, latest=parent.not_valid_after_utc)
    return _pem(_for_end(builder, names, usages, strict=strict).sign(signer, hashes.SHA256()), key)


def needs_renewal(pem: bytes, names: Sequence[str], usages: Iterable[str], issuer: bytes) -> bool:
    """Whether a certificate that was issued here is not what is wanted any more, or soon expires; False for one from elsewhere.

    ``issuer`` is the certificate of the authority that should have issued it.
    """
    certificate, parent = _loaded(pem), _loaded(issuer)
    if certificate is None or certificate.subject != ISSUED or parent is None:
        return False
    held = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    end = certificate.not_valid_after_utc
    return (
        _lacks(certificate, names)
        or not held >= {USAGES[usage] for usage in usages}
        or not _is_issued_by(certificate, parent)
        or (end - RENEWAL < _now() and end < parent.not_valid_after_utc)
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017  # Python 3.10


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _builder(
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    *,
    lifetime: datetime.timedelta,
    latest: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    """What every certificate has; it ends after ``lifetime``, or at ``latest``, when its issuer does."""
    start = _now() - datetime.timedelta(hours=1)  # grace for nodes whose clocks are behind
    end = start + lifetime
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(min(end, latest) if latest else end)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _for_end(
    builder: x509.CertificateBuilder, names: Sequence[str], usages: Iterable[str], *, strict: bool
) -> x509.CertificateBuilder:
    """A certificate that issues nothing: of a server by these names, or of a client."""
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=strict)
    builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[usage] for usage in usages]), critical=False)
    alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
    return builder.add_extension(alternatives, critical=False) if names else builder


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _loaded(pem: bytes) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None


def _lacks(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return bool(names)
    return not {_general(name) for name in names} <= set(alternatives)


def _is_issued_by(certificate: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
