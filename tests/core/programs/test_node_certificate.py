from __future__ import annotations

import os
import socket
from pathlib import Path

import certificates
import node_certificate
import pytest
from cryptography import x509
from program import Failure

AUTHORITY = certificates.authority("compute nodes")


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node with the authority's files."""
    for name, content in zip(("ca.crt", "ca.key"), AUTHORITY, strict=True):
        (tmp_path / name).write_bytes(content)
    return tmp_path


def issue(node: Path, *kinds: str) -> None:
    """Have the node issue its certificate, and put it at these places."""
    files = [str(node / "pki" / kind / name) for kind in kinds for name in ("ca.pem", "cert.pem", "key.pem")]
    node_certificate.main([str(node), "lo", str(os.getuid()), *files])


def certificate(node: Path, kind: str = "libvirt") -> x509.Certificate:
    """The certificate at one of the places."""
    return x509.load_pem_x509_certificate((node / "pki" / kind / "cert.pem").read_bytes())


def test_a_certificate_is_for_the_nodes_address_and_name(node: Path) -> None:
    issue(node, "libvirt")
    names = certificate(node).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.get_values_for_type(x509.DNSName) == [socket.gethostname()]


def test_its_usage_is_not_critical_because_libvirt_asks_for_one_that_it_lacks(node: Path) -> None:
    issue(node, "libvirt")
    assert not certificate(node).extensions.get_extension_for_class(x509.KeyUsage).critical


def test_it_serves_every_place_and_its_key_is_its_owners_alone(node: Path) -> None:
    issue(node, "libvirt", "qemu")
    assert certificate(node) == certificate(node, "qemu")
    key = node / "pki" / "qemu" / "key.pem"
    assert (key.stat().st_mode & 0o777, key.stat().st_uid) == (0o400, os.getuid())
    assert (node / "pki" / "qemu" / "ca.pem").read_bytes() == AUTHORITY[0]


def test_one_that_holds_is_kept(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    issue(node, "libvirt")
    before = certificate(node)
    issue(node, "libvirt")
    assert certificate(node) == before
    assert "still holds" in capsys.readouterr().out


def test_it_is_issued_again_when_the_node_has_another_address(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    issue(node, "libvirt")
    before = certificate(node)
    monkeypatch.setattr(node_certificate, "address_of", lambda _: "192.0.2.7")
    issue(node, "libvirt")
    assert certificate(node) != before


def test_it_is_issued_again_for_a_further_place_and_by_another_authority(node: Path) -> None:
    issue(node, "libvirt")
    before = certificate(node)
    issue(node, "libvirt", "qemu")
    after = certificate(node)
    assert before != after
    for name, content in zip(("ca.crt", "ca.key"), certificates.authority("new"), strict=True):
        (node / name).write_bytes(content)
    issue(node, "libvirt", "qemu")
    assert certificate(node) != after


@pytest.mark.parametrize("arguments", [[], ["/authority", "lo", "0"], ["/authority", "lo", "nova", "a", "b", "c"], list("abcde")])
def test_it_says_what_it_is_told_wrongly(arguments: list[str]) -> None:
    with pytest.raises(Failure, match="usage"):
        node_certificate.main(arguments)
