from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import certificates
import pytest


def handshake(directory: Path, names: list[str], asked: str) -> None:
    """A TLS handshake over a pair of sockets, with a client that trusts the certificate and nothing else."""
    certificate, key = certificates.self_signed(names)
    (directory / "crt").write_bytes(certificate)
    (directory / "key").write_bytes(key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "crt", directory / "key")
    client = ssl.create_default_context(cadata=certificate.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    ours, theirs = socket.socketpair()
    ours.settimeout(5)

    def answer() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=asked).close()
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("asked", ["cloud.example.org", "nova.cloud.example.org"])
def test_a_client_that_trusts_the_certificate_accepts_the_server(tmp_path: Path, asked: str) -> None:
    handshake(tmp_path, ["cloud.example.org", "*.cloud.example.org"], asked)


def test_a_client_refuses_it_for_another_name(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(tmp_path, ["*.cloud.example.org"], "evil.example.org")


def test_a_certificate_knows_which_names_it_lacks() -> None:
    certificate, _ = certificates.self_signed(["a.example.org", "*.b.example.org"])
    assert certificates.names_lacking(certificate, ["c.example.org", "*.b.example.org"]) == ["c.example.org"]
