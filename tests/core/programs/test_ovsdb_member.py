from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certificates
import pytest
from hypothesis import given
from hypothesis import strategies as st
from members import Unavailable
from ovsdb_member import Cluster, Decision, Empty, Node, Seen, cluster_of, decide, is_newer, takes_part
from ovsdb_rpc import call, transact
from program import Failure

ADDRESSES = {name: f"ssl:{name}:6643" for name in "abcde"}
KNOWN = Cluster("1", leads=True, servers=tuple(ADDRESSES.values()))
WITHOUT_A = Cluster("1", leads=True, servers=tuple(ADDRESSES[name] for name in "bcde"))
FOLLOWS = Cluster("1", leads=False, servers=KNOWN.servers)
SEEN = st.sampled_from([None, Empty(), KNOWN, WITHOUT_A, FOLLOWS])
OTHERS = st.lists(SEEN, max_size=4).map(lambda seen: dict(zip("bcde", seen, strict=False)))

# As ovsdb-server writes it.
STATUS = """a3a9
Name: OVN_Northbound
Cluster ID: bcab (bcabba00-dcd5-46c9-9577-adf3387b9a37)
Server ID: a3a9 (a3a99ffe-f66c-4fa6-b03e-c137879b9e8f)
Address: ssl:a:6643
Status: cluster member
Role: leader
Term: 2
Leader: self
Vote: self

Election timer: 1000
Log: [2, 6]
Connections: <-c154 ->c154
Servers:
    60bb (60bb at ssl:c:6643) next_index=6 match_index=5 last msg 254 ms ago
    a3a9 (a3a9 at ssl:a:6643) (self) next_index=3 match_index=5
"""


def decision(*, first: bool = False, has_data: bool = False, **others: Seen) -> Decision:
    return decide(ADDRESSES["a"], first=first, has_data=has_data, others=others)


@given(others=OTHERS, first=st.booleans())
def test_a_member_with_data_starts_whatever_the_others_say(others: dict[str, Seen], first: bool) -> None:
    assert decision(first=first, has_data=True, **others).action == "start"


@given(others=OTHERS, first=st.booleans())
def test_only_the_first_founds_and_only_when_every_other_has_said_that_it_is_empty(others: dict[str, Seen], first: bool) -> None:
    all_empty = all(isinstance(seen, Empty) for seen in others.values())
    assert (decision(first=first, **others).action == "found") == (first and all_empty)


@given(others=OTHERS, first=st.booleans())
def test_only_a_leader_decides_who_leaves_and_who_joins(others: dict[str, Seen], first: bool) -> None:
    made = decision(first=first, **others)
    leads = [seen for seen in others.values() if isinstance(seen, Cluster) and seen.leads]
    assert (made.action in ("leave", "join")) == bool(leads)
    if leads:
        chosen = others[made.other]
        assert isinstance(chosen, Cluster)
        assert (made.action == "leave") == (ADDRESSES["a"] in chosen.servers)


@given(others=OTHERS, first=st.booleans())
def test_who_waits_says_for_what(others: dict[str, Seen], first: bool) -> None:
    made = decision(first=first, **others)
    if made.action == "wait":
        holds_up = [name for name, seen in others.items() if seen is None or isinstance(seen, Cluster)]
        assert any(name in made.reason for name in holds_up) or "the first one begins" in made.reason


def test_a_single_member_founds_its_cluster_alone() -> None:
    assert decision(first=True) == Decision("found", "no member has data")


def test_a_cluster_without_a_leader_is_neither_joined_nor_replaced() -> None:
    made = decision(first=True, b=FOLLOWS, c=FOLLOWS)
    assert made == Decision("wait", "there is no data here, but a cluster without a leader, of b, c")


def test_a_status_is_read_as_the_server_writes_it() -> None:
    assert cluster_of(STATUS) == Cluster("bcabba00-dcd5-46c9-9577-adf3387b9a37", leads=True, servers=("ssl:c:6643", "ssl:a:6643"))
    assert takes_part(STATUS)


@pytest.mark.parametrize(
    ("was", "now"),
    [("Role: leader", "Role: candidate"), ("Leader: self", "Leader: 60bb"), ("Leader: self", "Leader: unknown")],
)
def test_only_who_is_sure_to_lead_does(was: str, now: str) -> None:
    found = cluster_of(STATUS.replace(was, now))
    assert found is not None
    assert not found.leads


@pytest.mark.parametrize("status", ["joining cluster", "left cluster", "removed from cluster"])
def test_who_is_not_in_the_cluster_takes_no_part(status: str) -> None:
    said = STATUS.replace("cluster member", status)
    assert cluster_of(said) is None
    assert not takes_part(said)


def test_who_knows_no_leader_takes_no_part() -> None:
    assert not takes_part(STATUS.replace("Role: leader", "Role: follower").replace("Leader: self", "Leader: unknown"))


def test_versions_of_schemas_are_compared_number_by_number() -> None:
    assert is_newer("7.10.0", "7.9.1")
    assert not is_newer("7.9.1", "7.9.1")
    assert not is_newer("6.99.0", "7.0.0")


class Cloud:
    """Two members with certificates, on loopback, and a client's; none runs a server."""

    def __init__(self, folder: Path) -> None:
        authority = certificates.authority("ovn")
        ports = {name: _free_port() for name in "ab"}
        members = {n: {"raft": ADDRESSES[n], "steward": f"https://localhost:{ports[n]}"} for n in "ab"}
        self.nodes, self.client = {}, Node("a", {})
        for kind, names in (("member", ["localhost"]), ("client", [])):
            (folder / kind).mkdir()
            certificate, key = certificates.issued(names, ["server", "client"], authority)
            for name, value in (("ca.crt", authority[0]), ("tls.crt", certificate), ("tls.key", key)):
                (folder / kind / name).write_bytes(value)
            tls = {
                option: f"{folder}/{kind}/{name}"
                for option, name in (("ca", "ca.crt"), ("certificate", "tls.crt"), ("key", "tls.key"))
            }
            for n in "ab":
                settings = {"members": members, "tls": tls, "listen": f"127.0.0.1:{ports[n]}", "file": str(folder / n)}
                if kind == "member":
                    self.nodes[n] = Node(n, settings)
                else:
                    self.client = Node("a", settings)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def nobody(address: str) -> None:
    raise Unavailable(f"not {address}")


def test_a_member_that_waits_tells_the_others_that_it_is_empty(cloud: Cloud) -> None:
    a, b = cloud.nodes["a"], cloud.nodes["b"]
    assert a.ask("b") is None
    with b.answering(lambda: None, nobody):
        assert a.ask("b") == Empty()


def test_a_member_that_runs_tells_what_it_knows(cloud: Cloud) -> None:
    with cloud.nodes["b"].answering(lambda: WITHOUT_A, nobody):
        assert cloud.nodes["a"].ask("b") == WITHOUT_A


def test_a_member_whose_server_does_not_answer_is_silent_and_not_empty(cloud: Cloud) -> None:
    def unknown() -> Cluster:
        raise Unavailable("no server")

    with cloud.nodes["b"].answering(unknown, nobody):
        assert cloud.nodes["a"].ask("b") is None


def test_only_addresses_of_members_are_removed(cloud: Cloud) -> None:
    removed: list[str] = []
    a = cloud.nodes["a"]
    with cloud.nodes["b"].answering(lambda: KNOWN, removed.append):
        a.request("b", "/leave", {"address": a.address})
        with pytest.raises(Unavailable, match="not the address of a member"):
            a.request("b", "/leave", {"address": "ssl:elsewhere:6643"})
    assert removed == [a.address]


def test_a_certificate_of_a_mere_client_opens_nothing(cloud: Cloud) -> None:
    removed: list[str] = []
    with cloud.nodes["b"].answering(lambda: KNOWN, removed.append):
        for path, body in (("/member", None), ("/leave", {"address": ADDRESSES["a"]})):
            with pytest.raises(Unavailable, match="for members alone"):
                cloud.client.request("b", path, body)
    assert removed == []


def test_a_connection_that_says_nothing_holds_nobody_up(cloud: Cloud) -> None:
    port = int(cloud.nodes["b"].members["b"]["steward"].rpartition(":")[2])
    with cloud.nodes["b"].answering(lambda: None, nobody), socket.create_connection(("127.0.0.1", port)):
        assert cloud.nodes["a"].ask("b") == Empty()


def test_half_a_file_is_no_data(cloud: Cloud, tmp_path: Path) -> None:
    node = cloud.nodes["a"]
    (tmp_path / "a.part").touch()
    assert not node.has_data
    (tmp_path / "a").touch()
    assert node.has_data
    node.settle()


def test_certificates_that_are_not_there_are_one_sentence(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "member/tls.key").unlink()
    with pytest.raises(Failure, match="the certificates of the members cannot be read"):
        cloud.nodes["a"].ask("b")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, list[Any]]]:
    """A socket that answers each connection with the next of some texts, piece by piece."""
    path, answers = str(tmp_path / "s"), []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            while answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    for piece in answers.pop(0):
                        connection.sendall(piece)

        thread = threading.Thread(target=serve)
        yield path, [answers, thread]
        thread.join(timeout=10)


def asked(server: tuple[str, list[Any]], *pieces: bytes) -> str:
    """The socket's path, once it has this to answer."""
    path, (answers, thread) = server
    answers.append(pieces)
    thread.start()
    return path


def test_an_answer_is_whole_when_it_is_json_whatever_is_asked_meanwhile(server: tuple[str, list[Any]]) -> None:
    path = asked(server, b'{"id":"echo","method":"echo","params":[]} {"id":0,"res', b'ult":"yes","error":null}')
    assert call(path, "question", []) == "yes"


@pytest.mark.parametrize(
    ("said", "reason"), [(b'{"id":0,"error":"unknown\\n"}', "is refused: unknown$"), (b'{"id":0', "hung up")]
)
def test_a_refusal_and_half_an_answer_are_worth_another_try(server: tuple[str, list[Any]], said: bytes, reason: str) -> None:
    path = asked(server, said)
    with pytest.raises(Unavailable, match=reason):
        call(path, "question", [])


def test_a_transaction_that_failed_is_no_success(server: tuple[str, list[Any]]) -> None:
    answer = {"id": 0, "result": [{}, {"error": "constraint violation", "details": "twice"}, None], "error": None}
    path = asked(server, json.dumps(answer).encode())
    with pytest.raises(Unavailable, match="constraint violation twice"):
        transact(path, "OVN_Northbound", [{"op": "insert"}])
