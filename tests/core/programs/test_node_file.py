from __future__ import annotations

import socket
from pathlib import Path

import node_file
import pytest
from program import Failure

LISTED = """\
fe800000000000000000000000000001 02 40 20 80     ens4
20010db8000000000000000000000005 02 40 00 80     ens4
20010db8000000000000000000000006 03 40 00 80     ens5
"""


def test_an_interface_becomes_its_address(tmp_path: Path):
    (tmp_path / "agent.conf").write_text("[ovs]\nlocal_ip = @address:lo@\nother = x@y\n")
    node_file.main([str(tmp_path / "agent.conf"), str(tmp_path / "out.conf")])
    assert (tmp_path / "out.conf").read_text() == "[ovs]\nlocal_ip = 127.0.0.1\nother = x@y\n"


def test_a_link_local_address_is_nobodys():
    assert node_file.ipv6_of("ens4", LISTED) == "2001:db8::5"
    assert node_file.ipv6_of("ens6", LISTED) == ""


def test_an_interface_that_is_not_there_stops_it_and_the_others_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(node_file, "PATIENCE_SECONDS", 0.0)
    (tmp_path / "agent.conf").write_text("local_ip = @address:nowhere9@\n")
    with pytest.raises(Failure, match="nowhere9 has no address on this node, which has .*lo"):
        node_file.main([str(tmp_path / "agent.conf"), str(tmp_path / "out.conf")])
    assert not (tmp_path / "out.conf").exists()
    assert socket.if_nameindex()
