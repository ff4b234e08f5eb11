from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import bus_probe
import pytest


@pytest.fixture
def bus() -> Iterator[socket.socket]:
    """Something that listens, as a bus does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def url(server: socket.socket) -> str:
    return f"rabbit://u:p@127.0.0.1:{server.getsockname()[1]}/nova"


def test_who_is_connected_is_ready(bus: socket.socket):
    with socket.create_connection(bus.getsockname()):
        assert bus_probe.main("ready", url(bus)) == 0


def test_who_is_not_connected_is_not_ready(bus: socket.socket):
    assert bus_probe.main("ready", url(bus)) == 1


def test_who_is_not_connected_although_the_bus_answers_is_restarted(bus: socket.socket):
    assert bus_probe.main("alive", url(bus)) == 1


def test_nobody_is_restarted_because_the_bus_is_away(bus: socket.socket):
    there = url(bus)
    bus.close()
    assert bus_probe.main("alive", there) == 0
    assert bus_probe.main("ready", there) == 1


def test_a_connection_of_somebody_else_does_not_count(bus: socket.socket):
    if not (child := os.fork()):
        with socket.create_connection(bus.getsockname()):
            os._exit(bus_probe.main("ready", url(bus)))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert bus_probe.main("ready", url(bus)) == 1


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("rabbit://u:p@a.b.svc:5671/v", [("a.b.svc", 5671)]),
        ("rabbit://u:p@a/v", [("a", 5672)]),
        ("rabbit://u:p@[fd00::1]:5672,u:p@b:5673/v", [("fd00::1", 5672), ("b", 5673)]),
    ],
)
def test_a_url_names_servers(text: str, servers: list[tuple[str, int]]):
    assert bus_probe.bus_of(text) == servers


def test_the_url_of_a_database_says_where_it_is_as_well():
    assert bus_probe.bus_of("mysql+pymysql://u:p@mariadb.openstack.svc:3306/neutron?charset=utf8") == [
        ("mariadb.openstack.svc", 3306)
    ]
