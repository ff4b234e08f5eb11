from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import certificates
import pytest
from etcd_member import Cluster, Decision, Empty, Member, Node, Seen, decide, members
from hypothesis import given
from hypothesis import strategies as st
from members import Unavailable
from program import Failure

NAMES = ("a", "b", "c")
URLS = {name: f"https://{name}:2380" for name in "abcde"}


def member(name: str, *, served: bool = True) -> Member:
    """A member, which has been part of a majority or not."""
    return Member(ord(name), name if served else "", (URLS[name],), (f"https://{name}:2379",) if served else ())


SERVING = Cluster(tuple(member(name) for name in NAMES))
STUCK = replace(SERVING, refusal="b:2379 answers 503")
FOUNDING = Cluster(tuple(member(name, served=False) for name in NAMES), refusal="b:2379 does not answer")
SEEN = st.sampled_from([None, Empty(), SERVING, STUCK, FOUNDING])
OTHERS = st.lists(SEEN, max_size=4).map(lambda seen: dict(zip("bcde", seen, strict=False)))


def action(**others: Seen) -> str:
    return decide(URLS["a"], has_data=False, others=others).action


@given(others=OTHERS)
def test_a_member_with_data_starts_whatever_the_others_say(others: dict[str, Seen]) -> None:
    assert decide(URLS["a"], has_data=True, others=others).action == "start"


@given(others=OTHERS)
def test_a_cluster_is_founded_only_when_every_other_member_has_said_that_there_is_nothing_to_lose(
    others: dict[str, Seen],
) -> None:
    nothing_to_lose = all(isinstance(seen, Empty) or seen == FOUNDING for seen in others.values())
    assert (decide(URLS["a"], has_data=False, others=others).action == "found") == nothing_to_lose


@given(others=OTHERS)
def test_a_member_is_replaced_only_where_the_others_have_a_majority_without_it(others: dict[str, Seen]) -> None:
    assert (decide(URLS["a"], has_data=False, others=others).action == "join") == (SERVING in others.values())


@given(others=OTHERS)
def test_who_waits_says_for_what(others: dict[str, Seen]) -> None:
    decision = decide(URLS["a"], has_data=False, others=others)
    silent = [name for name, seen in others.items() if seen is None]
    if decision.action == "wait":
        assert any(name in decision.reason for name in silent) or STUCK.refusal in decision.reason


def test_a_single_member_founds_its_cluster_alone() -> None:
    assert decide(URLS["a"], has_data=False, others={}) == Decision("found", "no member has data")


def test_one_that_has_not_heard_of_a_third_does_not_found() -> None:
    assert action(b=Empty(), c=None) == "wait"


def test_two_do_not_join_at_once() -> None:
    joining = Cluster((member("a"), member("b"), member("c", served=False), member("d", served=False)))
    seen: dict[str, Seen] = {"a": joining, "b": joining}
    assert decide(URLS["c"], has_data=False, others={**seen, "d": Empty()}).action == "join"
    waits = decide(URLS["d"], has_data=False, others={**seen, "c": Empty()})
    assert waits == Decision("wait", "https://c:2380 has not finished joining the cluster of a")


@given(absent=st.sets(st.sampled_from("abcde"), max_size=2))
def test_of_several_that_may_join_there_is_always_one_that_does(absent: set[str]) -> None:
    cluster = Cluster(tuple(member(name, served=name not in absent) for name in "abcde"))
    answers: dict[str, Seen] = {name: Empty() if name in absent else cluster for name in "abcde"}
    joins = [
        n for n in absent if decide(URLS[n], has_data=False, others={o: s for o, s in answers.items() if o != n}).action == "join"
    ]
    assert len(joins) == bool(absent)


def test_its_own_unfinished_attempt_does_not_hold_a_member_up() -> None:
    assert action(b=replace(SERVING, members=(member("a", served=False), member("b"), member("c")))) == "join"


def test_members_that_have_not_started_are_named_as_the_configuration_names_them() -> None:
    node = Node("a", {}, {name: {"peer": url} for name, url in URLS.items()})
    listed = (member("b"), Member(7, "renamed", (URLS["c"],), ("x",)), member("d", served=False), member("a", served=False))
    assert node.initial_cluster(listed) == ",".join(
        f"{n}={URLS[u]}" for n, u in (("b", "b"), ("renamed", "c"), ("d", "d"), ("a", "a"))
    )


@pytest.mark.parametrize("key", ["id", "ID"])
def test_members_are_read_as_members_and_as_clients_see_them(key: str) -> None:
    listed = [
        {key: "18", "name": "a", "peerURLs": ["https://a:2380"], "clientURLs": ["https://a:2379"]},
        {key: 19, "peerURLs": []},
    ]
    assert members(listed) == (Member(18, "a", ("https://a:2380",), ("https://a:2379",)), Member(19, "", ()))


class Cloud:
    """Two members of a directory each, with certificates, on loopback; neither runs etcd."""

    def __init__(self, folder: Path, ports: tuple[int, int]) -> None:
        authority = certificates.authority("etcd")
        certificate, key = certificates.issued(["localhost"], ["server", "client"], authority)
        for name, value in (("ca.crt", authority[0]), ("tls.crt", certificate), ("tls.key", key)):
            (folder / name).write_bytes(value)
        trust = {"trusted-ca-file": f"{folder}/ca.crt", "cert-file": f"{folder}/tls.crt", "key-file": f"{folder}/tls.key"}
        self.urls = {
            n: {"peer": f"https://localhost:{p}", "client": "https://localhost:1"} for n, p in zip("ab", ports, strict=True)
        }
        self.nodes = {n: self._node(n, folder / n, trust, p) for n, p in zip("ab", ports, strict=True)}

    def _node(self, name: str, data: Path, trust: dict[str, str], port: int) -> Node:
        config: dict[str, Any] = {"data-dir": str(data), "listen-peer-urls": f"https://127.0.0.1:{port}"}
        return Node(name, config | {"peer-transport-security": trust}, self.urls)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path, (_free_port(), _free_port()))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_member_that_waits_tells_the_others_that_it_is_empty(cloud: Cloud) -> None:
    a, b = cloud.nodes["a"], cloud.nodes["b"]
    assert a.ask("b") is None
    with b.answering():
        assert a.ask("b") == Empty()
    assert a.ask("b") is None


def test_a_member_that_answers_for_another_is_not_believed(cloud: Cloud) -> None:
    impostor = replace(cloud.nodes["b"], name="c")
    with impostor.answering():
        assert cloud.nodes["a"].ask("b") is None


def test_who_has_no_certificate_of_the_authority_learns_nothing(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Cloud(tmp_path / "other", (1, 2)).nodes["a"]
    with cloud.nodes["b"].answering(), pytest.raises(Unavailable, match="does not answer"):
        stranger.identity.call(cloud.urls["b"]["peer"] + "/members")


def test_a_connection_that_says_nothing_holds_nobody_up(cloud: Cloud) -> None:
    port = int(cloud.urls["b"]["peer"].rpartition(":")[2])
    with cloud.nodes["b"].answering(), socket.create_connection(("127.0.0.1", port)):
        assert cloud.nodes["a"].ask("b") == Empty()


def test_two_empty_members_found_the_same_cluster(cloud: Cloud) -> None:
    found: dict[str, dict[str, Any]] = {}

    def settle(node: Node) -> None:
        found[node.name] = node.settled()

    a, b = cloud.nodes.values()
    with a.answering(), b.answering():
        threads = [threading.Thread(target=settle, args=(node,)) for node in (a, b)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert {f["initial-cluster"] for f in found.values()} == {",".join(f"{n}={u['peer']}" for n, u in cloud.urls.items())}
    assert {(name, f["name"], f["initial-cluster-state"]) for name, f in found.items()} == {("a", "a", "new"), ("b", "b", "new")}


def test_data_is_a_write_ahead_log_and_nothing_less(cloud: Cloud) -> None:
    node = cloud.nodes["a"]
    (node.data / "wal").mkdir(parents=True)
    (node.data / "wal" / "0.tmp").touch()
    assert not node.has_data
    (node.data / "wal" / "0000000000000000-0000000000000000.wal").touch()
    assert node.has_data
    assert node.settled()["name"] == "a"


def test_certificates_that_are_not_there_are_one_sentence(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "tls.key").unlink()
    with pytest.raises(Failure, match="the certificates of the members cannot be read"):
        cloud.nodes["a"].identity.trust(ssl.Purpose.SERVER_AUTH)
