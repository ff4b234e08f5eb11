from __future__ import annotations

import datetime
import socket
import ssl
import threading
from pathlib import Path

import certificates
import pytest
from certificates import Pair
from cryptography import x509


def context(directory: Path, purpose: ssl.Purpose, trusted: bytes | None, pair: Pair | None) -> ssl.SSLContext:
    """One end of a handshake, which trusts one certificate and nothing else, and shows another."""
    made = ssl.create_default_context(purpose, cadata=trusted.decode() if trusted else None)
    made.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    if purpose is ssl.Purpose.CLIENT_AUTH and trusted:
        made.verify_mode = ssl.CERT_REQUIRED
    if pair:
        for name, value in zip(("crt", "key"), pair, strict=True):
            (directory / name).write_bytes(value)
        made.load_cert_chain(directory / "crt", directory / "key")
    return made


AUTHORITY = certificates.authority("etcd")


def handshake(directory: Path, names: list[str], asked: str) -> None:
    """A handshake with a server that shows a certificate for these names, and a client that trusts the authority."""
    pair = certificates.issued(names, ["server"], AUTHORITY)
    server = context(directory, ssl.Purpose.CLIENT_AUTH, None, pair)
    exchange(server, context(directory, ssl.Purpose.SERVER_AUTH, AUTHORITY[0], None), asked)


def exchange(server: ssl.SSLContext, client: ssl.SSLContext, asked: str) -> None:
    """A handshake over a pair of sockets, and a word from the server, which it says once it has accepted the client."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)

    def answer() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as accepted:
                accepted.sendall(b"!")
        except OSError:
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=asked) as agreed:
            assert agreed.recv(1) == b"!"
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("asked", ["cloud.example.org", "nova.cloud.example.org"])
def test_a_client_that_trusts_the_authority_accepts_the_server(tmp_path: Path, asked: str) -> None:
    handshake(tmp_path, ["cloud.example.org", "*.cloud.example.org"], asked)


def test_a_client_refuses_it_for_another_name(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(tmp_path, ["*.cloud.example.org"], "evil.example.org")


def mutual(directory: Path, server: Pair, client: Pair, *, trusted: bytes = AUTHORITY[0]) -> None:
    """A handshake in which both ends show certificates, and trust the authority."""
    ends = (
        context(directory, ssl.Purpose.CLIENT_AUTH, trusted, server),
        context(directory, ssl.Purpose.SERVER_AUTH, trusted, client),
    )
    exchange(*ends, "etcd.example.org")


def test_ends_with_certificates_of_the_authority_they_trust_agree(tmp_path: Path) -> None:
    member = certificates.issued(["etcd.example.org"], ["server", "client"], AUTHORITY)
    mutual(tmp_path, member, certificates.issued([], ["client"], AUTHORITY))
    mutual(tmp_path, member, member)


def test_a_clients_certificate_serves_nobody(tmp_path: Path) -> None:
    client = certificates.issued(["etcd.example.org"], ["client"], AUTHORITY)
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        mutual(tmp_path, client, client)


def test_a_servers_certificate_is_no_clients(tmp_path: Path) -> None:
    server = certificates.issued(["etcd.example.org"], ["server"], AUTHORITY)
    with pytest.raises(OSError, match=r"(?i)unsupported.certificate|reset|EOF"):
        mutual(tmp_path, server, server)


def test_another_authority_of_the_same_name_is_not_trusted(tmp_path: Path) -> None:
    other = certificates.authority("etcd")
    server, client = (certificates.issued(["etcd.example.org"], [usage], other) for usage in ("server", "client"))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        mutual(tmp_path, server, client)


def test_what_was_issued_ends_no_later_than_its_authority() -> None:
    leaf, parent = (
        x509.load_pem_x509_certificate(pem) for pem in (certificates.issued([], ["client"], AUTHORITY)[0], AUTHORITY[0])
    )
    assert leaf.not_valid_after_utc < parent.not_valid_after_utc


def test_a_key_that_is_not_that_of_the_authority_issues_nothing() -> None:
    with pytest.raises(ValueError, match="not the key of that certificate"):
        certificates.issued([], ["client"], (AUTHORITY[0], certificates.authority("etcd")[1]))


NAMES, USAGES = ["a.example.org"], ["server"]


@pytest.mark.parametrize(
    ("names", "usages", "issuer", "needed"),
    [
        (NAMES, USAGES, AUTHORITY[0], False),
        ([], USAGES, AUTHORITY[0], False),
        ([*NAMES, "b.example.org"], USAGES, AUTHORITY[0], True),
        (NAMES, ["server", "client"], AUTHORITY[0], True),
        (NAMES, USAGES, certificates.authority("etcd")[0], True),
    ],
)
def test_a_certificate_is_renewed_when_it_lacks_something(
    names: list[str], usages: list[str], issuer: bytes, needed: bool
) -> None:
    issued = certificates.issued(NAMES, USAGES, AUTHORITY)[0]
    assert certificates.needs_renewal(issued, names, usages, issuer) == needed


@pytest.mark.parametrize(("days", "needed"), [(364, True), (366, False)])
def test_a_certificate_is_renewed_in_its_last_year(monkeypatch: pytest.MonkeyPatch, days: int, needed: bool) -> None:
    issued = certificates.issued(NAMES, USAGES, AUTHORITY)[0]
    end = x509.load_pem_x509_certificate(issued).not_valid_after_utc
    monkeypatch.setattr(certificates, "_now", lambda: end - datetime.timedelta(days=days))
    assert certificates.needs_renewal(issued, NAMES, USAGES, AUTHORITY[0]) == needed


@pytest.mark.parametrize("pem", [b"not even PEM", AUTHORITY[0]])
def test_a_certificate_that_was_not_issued_here_is_left_to_its_owner(pem: bytes) -> None:
    assert not certificates.needs_renewal(pem, NAMES, USAGES, AUTHORITY[0])
