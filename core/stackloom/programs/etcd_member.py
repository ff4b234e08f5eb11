"""How a member of etcd starts: ``etcd_member.py CONFIG MEMBERS TARGET`` runs before it, and writes its configuration into TARGET.

CONFIG is what all members have in common, as etcd reads it, in JSON. MEMBERS is a JSON file with the URLs of each by its name,
``{"etcd-0": {"peer": URL, "client": URL}}``. MEMBER_NAME is the name of this one.

A member that has data starts with it. One that has none may be new, or may have lost its disk. Then it asks the others:

- If they form a cluster that takes writes, it leaves it under its old identity and joins it under a new one. It must not go on
  under the old: it has forgotten what it voted for, and what it confirmed could be lost. Nothing is removed that is still
  needed, because the others have just shown that they are a majority without it.
- If all of them are as empty as itself, or are starting like this, a new cluster is founded.
- Otherwise it waits, and says for whom. A member that is away may hold the data, so founding takes all of them.

While it waits it answers the others in place of etcd, on the port and with the certificate of a member: that it is empty.
"""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from members import Identity, Unavailable
from program import Failure, environment, read_json, run, say

PAUSE_SECONDS = 1.0
PATH = "/members"


@dataclass(frozen=True)
class Member:
    """A member as a cluster lists it. One that has never been part of a majority has no ``clients``, where it would be called."""

    identifier: int
    name: str
    peers: tuple[str, ...]
    clients: tuple[str, ...] = ()


@dataclass(frozen=True)
class Empty:
    """What a member without data says."""


@dataclass(frozen=True)
class Cluster:
    """What a member says that runs: who belongs to its cluster, and why no majority of them can be read ("": it can)."""

    members: tuple[Member, ...]
    refusal: str = ""

    @property
    def has_served(self) -> bool:
        """Whether there was ever a majority: members accept nothing before, so there is nothing to lose."""
        return any(member.clients for member in self.members)


Seen = Empty | Cluster | None


@dataclass(frozen=True)
class Decision:
    """What to do, and why."""

    action: Literal["start", "found", "join", "wait"]
    reason: str


def decide(url: str, *, has_data: bool, others: Mapping[str, Seen]) -> Decision:
    """What the member that the others call at ``url`` does, given what each of them says (None: nothing)."""
    if has_data:
        return Decision("start", "there is data")
    serving = {other: seen for other, seen in others.items() if isinstance(seen, Cluster) and not seen.refusal}
    for other, cluster in serving.items():
        # One at a time, the first first: each joins the cluster that it was told of, and whoever joins meanwhile is not in that.
        joining = sorted(peer for m in cluster.members if not m.clients for peer in m.peers if peer < url)
        if joining:
            return Decision("wait", f"{', '.join(joining)} has not finished joining the cluster of {other}")
    if serving:
        return Decision("join", f"there is no data here, and a cluster of {', '.join(serving)}")
    if silent := sorted(other for other, seen in others.items() if seen is None):
        return Decision("wait", f"there is no data here, perhaps elsewhere: no answer from {', '.join(silent)}")
    if refusals := sorted(seen.refusal for seen in others.values() if isinstance(seen, Cluster) and seen.has_served):
        return Decision("wait", f"there is no data here, but elsewhere, where it takes more members: {'; '.join(refusals)}")
    return Decision("found", "no member has data")


@dataclass(frozen=True)
class Node:
    """A member as it knows itself: its name, what it has in common with the others, and where they all are."""

    name: str
    config: Mapping[str, Any]
    urls: Mapping[str, Mapping[str, str]]

    @property
    def url(self) -> str:
        """Where the other members call it: what identifies it in the cluster's list."""
        return self.urls[self.name]["peer"]

    @property
    def data(self) -> Path:
        """Where etcd keeps its data; it counts as having some when there is a write-ahead log, as etcd itself sees it."""
        return Path(self.config["data-dir"], "member")

    @property
    def has_data(self) -> bool:
        """Whether etcd would start from what is on the disk."""
        return any(self.data.glob("wal/*.wal"))

    @property
    def identity(self) -> Identity:
        """Who this is to the others."""
        files = self.config["peer-transport-security"]
        return Identity(files["trusted-ca-file"], files["cert-file"], files["key-file"])

    def ask(self, other: str) -> Seen:
        """What another member says of itself."""
        urls = self.urls[other]
        try:
            answer = self.identity.call(urls["peer"] + PATH)
        except Unavailable:
            return None
        if isinstance(answer, dict):
            return Empty() if answer.get("empty") == other else None
        try:
            # A read that a majority must confirm. Only from a member that has just done one is the list of members the latest.
            self.identity.call(urls["client"] + "/v3/kv/range", {"key": base64.b64encode(b"\0").decode(), "count_only": True})
            listed = self.identity.call(urls["client"] + "/v3/cluster/member/list", {})
        except Unavailable as refusal:
            return Cluster(members(answer), str(refusal))
        return Cluster(members(listed["members"]))

    def join(self, others: Mapping[str, Seen]) -> str:
        """Replace this member in the cluster that the others form, and return the initial cluster. Raises Unavailable."""
        other, cluster = next((o, c) for o, c in others.items() if isinstance(c, Cluster) and not c.refusal)
        api = f"{self.urls[other]['client']}/v3/cluster/member"
        for former in (m for m in cluster.members if self.url in m.peers):
            self.identity.call(f"{api}/remove", {"ID": str(former.identifier)})
            say(f"removed the former {self.name}, {former.identifier:x}, from the cluster")
        if self.data.exists():
            shutil.rmtree(self.data)  # it belongs to the identity that is gone, and etcd would take it for the new one's
        added = self.identity.call(f"{api}/add", {"peerURLs": [self.url]})
        say(f"added {self.name} as {int(added['member']['ID']):x}")
        return self.initial_cluster(members(added["members"]))

    def initial_cluster(self, listed: Sequence[Member]) -> str:
        """``NAME=URL,...`` of all members; the cluster knows the names of those that have started, this one of the rest."""
        names = {urls["peer"]: name for name, urls in self.urls.items()}
        return ",".join(f"{member.name or names.get(peer, '')}={peer}" for member in listed for peer in member.peers)

    def settled(self) -> dict[str, Any]:
        """The configuration to start with, once it is clear how; until then this waits."""
        said = ""
        while True:
            others = {} if self.has_data else {other: self.ask(other) for other in self.urls if other != self.name}
            decision = decide(self.url, has_data=self.has_data, others=others)
            if str(decision) != said:
                said = str(decision)
                say(f"{decision.action}: {decision.reason}")
            if decision.action != "wait":
                try:
                    return self.configuration(joined=self.join(others) if decision.action == "join" else "")
                except Unavailable as refusal:
                    say(f"trying again: {refusal}")
            time.sleep(PAUSE_SECONDS)

    def configuration(self, *, joined: str) -> dict[str, Any]:
        """What etcd reads to start as this member; ``joined`` is the initial cluster where it joins one that exists."""
        return {
            **self.config,
            "name": self.name,
            "initial-advertise-peer-urls": self.url,
            "advertise-client-urls": self.urls[self.name]["client"],
            "initial-cluster": joined or ",".join(f"{name}={urls['peer']}" for name, urls in self.urls.items()),
            "initial-cluster-state": "existing" if joined else "new",
        }

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Say to whoever asks as a member that this one is empty."""
        listens = urlsplit(self.config["listen-peer-urls"])
        with self.identity.answering(listens.hostname or "", listens.port or 0, lambda _: {"empty": self.name}):
            yield


def members(listed: Sequence[Mapping[str, Any]]) -> tuple[Member, ...]:
    """Members as etcd lists them, to other members (``id``) or to clients (``ID``)."""
    return tuple(
        Member(
            identifier=int(m.get("ID") or m.get("id") or 0),
            name=m.get("name", ""),
            peers=tuple(m.get("peerURLs") or ()),
            clients=tuple(m.get("clientURLs") or ()),
        )
        for m in listed
    )


def main(arguments: list[str]) -> None:
    """Decide, join where it takes that, and write the configuration."""
    if len(arguments) != 3:
        raise Failure("usage: etcd_member.py CONFIG MEMBERS TARGET")
    (name,) = environment("MEMBER_NAME")
    node = Node(name, read_json(arguments[0]), read_json(arguments[1]))
    if name not in node.urls:
        raise Failure(f"{name} is not among the members {', '.join(sorted(node.urls))}")
    if node.has_data:
        settled = node.settled()
    else:
        with node.answering():
            settled = node.settled()
    Path(arguments[2]).write_text(json.dumps(settled, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
