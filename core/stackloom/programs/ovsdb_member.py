"""Members of a cluster of ovsdb-server (OVN's databases): how one starts, and what it does for the others while it runs.

``ovsdb_member.py settle SETTINGS`` runs before the server. A member that has data starts with it: it knows its cluster. One
that has none may be new, or may have lost its disk. It asks the others, and only what a leader says decides:

- A leader that lists this member knows its former self, which is gone: that is removed from the cluster. Going on under the
  old identity could lose what it had confirmed. Nothing is removed that is needed: the leader has a majority without it.
- A leader that does not list it is joined, under a new identity.
- If all of the others are as empty as itself, the first member founds the cluster. The rest wait for it.
- Otherwise it waits, and says for whom. A member that is away may hold the data, so founding takes all of them.

``ovsdb_member.py attend SETTINGS`` runs beside the server. It tells the others about this member, in which the program that
settles takes its place before, and removes from the cluster whose disk was lost. While this member leads, it keeps in the
database how clients reach it, and brings an older schema up to that of this image; a newer one is left alone.

``ovsdb_member.py ready SETTINGS`` succeeds when the member takes part in a cluster that has a leader, ``alive`` when it answers.
SETTINGS is a JSON file, the same for all members; MEMBER_NAME is the name of this one.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from members import Identity, Request, Unavailable
from ovsdb_rpc import call, convert, transact
from program import Failure, environment, read_json, run, say

PAUSE_SECONDS = 1.0
ATTENTION_SECONDS = 5.0


@dataclass(frozen=True)
class Empty:
    """What a member without data says."""


@dataclass(frozen=True)
class Cluster:
    """What a member says that runs: its cluster, whether it leads that, and where those are called who belong to it."""

    identifier: str
    leads: bool
    servers: tuple[str, ...] = ()


Seen = Empty | Cluster | None


@dataclass(frozen=True)
class Decision:
    """What to do, and why; ``other`` is the leader that has a part in it."""

    action: Literal["start", "found", "leave", "join", "wait"]
    reason: str
    other: str = ""


def decide(address: str, *, first: bool, has_data: bool, others: Mapping[str, Seen]) -> Decision:
    """What the member at ``address`` does, given what each of the others says (None: nothing)."""
    if has_data:
        return Decision("start", "there is data")
    for other, seen in sorted(others.items()):
        if isinstance(seen, Cluster) and seen.leads:
            if address in seen.servers:
                return Decision("leave", f"{other} leads a cluster that knows {address}, which has lost its data", other)
            return Decision("join", f"there is no data here, and a cluster that {other} leads", other)
    if silent := sorted(other for other, seen in others.items() if seen is None):
        return Decision("wait", f"there is no data here, perhaps elsewhere: no answer from {', '.join(silent)}")
    if holders := sorted(other for other, seen in others.items() if isinstance(seen, Cluster)):
        return Decision("wait", f"there is no data here, but a cluster without a leader, of {', '.join(holders)}")
    return Decision("found", "no member has data") if first else Decision("wait", "no member has data: the first one begins")


def cluster_of(status: str) -> Cluster | None:
    """What ``cluster/status`` says; None of a member that is not in its cluster yet, or not any more."""
    identifier = re.search(r"^Cluster ID: \w+ \(([\w-]+)\)$", status, re.MULTILINE)
    if identifier is None or not re.search(r"^Status: cluster member$", status, re.MULTILINE):
        return None
    leads = bool(re.search(r"^Role: leader$", status, re.MULTILINE) and re.search(r"^Leader: self$", status, re.MULTILINE))
    return Cluster(identifier[1], leads, tuple(re.findall(r"^ +\w+ \(\w+ at (\S+)\)", status, re.MULTILINE)))


def takes_part(status: str) -> bool:
    """Whether the member is in its cluster and knows a leader, and so can be read and written."""
    return cluster_of(status) is not None and not re.search(r"^Leader: unknown$", status, re.MULTILINE)


def is_newer(version: str, other: str) -> bool:
    """Whether a schema's version is above another one's."""
    return _numbers(version) > _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@dataclass(frozen=True)
class Node:
    """A member as it knows itself: its name, and what it has in common with the others."""

    name: str
    settings: Mapping[str, Any]

    @property
    def members(self) -> Mapping[str, Mapping[str, str]]:
        """``raft``, where the cluster calls a member, and ``steward``, the URL of this program, by name; the first one first."""
        members: Mapping[str, Mapping[str, str]] = self.settings["members"]
        return members

    @property
    def address(self) -> str:
        """Where the cluster calls this member: what the leader's list knows it by."""
        return self.members[self.name]["raft"]

    @property
    def database(self) -> str:
        """The name of the database, as its schema says."""
        return str(self.settings["database"])

    @property
    def has_data(self) -> bool:
        """Whether the server would start from what is on the disk. The file is made in one step, or not at all."""
        return Path(self.settings["file"]).exists()

    # -- Among the members ---------------------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity:
        """Who this is to the others."""
        files = self.settings["tls"]
        return Identity(files["ca"], files["certificate"], files["key"])

    def request(self, other: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What another member answers to a GET, or to a POST of ``body``. Raises Unavailable where that is no success."""
        return self.identity.call(self.members[other]["steward"] + path, body)

    def ask(self, other: str) -> Seen:
        """What another member says of itself."""
        try:
            answer = self.request(other, "/member")
            if answer["name"] != other:
                return None
            found = answer["cluster"]
            return Empty() if found is None else Cluster(found["identifier"], found["leads"], tuple(found["servers"]))
        except (Unavailable, KeyError, TypeError):
            return None

    def peers(self) -> set[str]:
        """The names that a certificate of a member has, and one of a mere client has not."""
        return {str(urlsplit(urls["steward"]).hostname) for urls in self.members.values()}

    @contextmanager
    def answering(self, cluster: Callable[[], Cluster | None], leave: Callable[[str], None]) -> Iterator[None]:
        """Tell other members what ``cluster`` gives of this one, and have ``leave`` remove whom they ask to remove."""

        def answer(request: Request) -> Any:
            # The services' certificates come from the same authority, but for no host.
            if self.peers().isdisjoint(request.names):
                raise Unavailable("that is for members alone")
            match request.path, request.body:
                case "/member", None:
                    return {"name": self.name, "cluster": (found := cluster()) and asdict(found)}
                case "/leave", {"address": address} if address in {urls["raft"] for urls in self.members.values()}:
                    return leave(address)
                case "/leave", body:
                    raise Unavailable(f"{body} is not the address of a member")
            raise Unavailable(f"there is no {request.path}")

        host, _, port = str(self.settings["listen"]).rpartition(":")
        with self.identity.answering(host, int(port), answer):
            yield

    # -- Before the server starts --------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Return once there is a file to start from; until it is clear how it is made, this waits."""
        said = ""
        while True:
            others = {} if self.has_data else {other: self.ask(other) for other in self.members if other != self.name}
            first = self.name == next(iter(self.members))
            decision = decide(self.address, first=first, has_data=self.has_data, others=others)
            if str(decision) != said:
                said = str(decision)
                say(f"{decision.action}: {decision.reason}")
            try:
                if self.carried_out(decision, others):
                    return
            except Unavailable as refusal:
                say(f"trying again: {refusal}")
            time.sleep(PAUSE_SECONDS)

    def carried_out(self, decision: Decision, others: Mapping[str, Seen]) -> bool:
        """Do what was decided; whether the server can start then."""
        match decision.action:
            case "leave":
                self.request(decision.other, "/leave", {"address": self.address})
            case "join":
                cluster = others[decision.other]
                identifier = cluster.identifier if isinstance(cluster, Cluster) else ""
                rest = [urls["raft"] for other, urls in self.members.items() if other != self.name]
                self.make([f"--cid={identifier}", "join-cluster", "FILE", self.database, self.address, *rest])
            case "found":
                timer = self.settings["election_timer"]
                self.make([f"--election-timer={timer}", "create-cluster", "FILE", self.settings["schema"], self.address])
        return decision.action in ("start", "join", "found")

    def make(self, words: Sequence[str]) -> None:
        """Have the tool make the file, under another name first: half a file must not look like data."""
        target = Path(self.settings["file"])
        part = target.with_name(f"{target.name}.part")
        part.unlink(missing_ok=True)
        command = ["ovsdb-tool", "-vsyslog:off", *(str(part) if word == "FILE" else word for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise Failure(f"the file of the database cannot be made: {done.stderr.strip()}")
        part.rename(target)

    # -- Beside the server ---------------------------------------------------------------------------------------------

    def status(self) -> str:
        """What the server says of its part in the cluster. Raises Unavailable."""
        return str(call(self.settings["control"], "cluster/status", [self.database]))

    def running(self) -> Cluster:
        """The cluster of this member. Raises Unavailable while it has none."""
        found = cluster_of(self.status())
        if found is None:
            raise Unavailable(f"{self.name} is in no cluster at the moment")
        return found

    def remove(self, address: str) -> None:
        """Remove another member from the cluster, which only the leader does at once."""
        if not self.running().leads:
            raise Unavailable(f"{self.name} does not lead")
        call(self.settings["control"], "cluster/kick", [self.database, address])
        say(f"removed {address}, which has lost its data")

    def attend(self) -> None:
        """Serve the others, and keep the database in order while this member leads; for ever."""
        said = ""
        with self.answering(self.running, self.remove):
            while True:
                try:
                    if self.running().leads:
                        self.keep_schema()
                        self.keep_listening()
                    said = ""
                except Unavailable as refusal:
                    if str(refusal) != said:
                        said = str(refusal)
                        say(f"trying again: {said}")
                time.sleep(ATTENTION_SECONDS)

    def keep_schema(self) -> None:
        """Convert the database to the schema of this image, if that is newer: daemons of this release look for what is in it."""
        socket, schema = self.settings["socket"], read_json(self.settings["schema"])
        for table in schema["tables"].values():
            for column in table["columns"].values():
                column.pop("ephemeral", None)  # a cluster keeps all that it holds
        version = call(socket, "get_schema", [self.database])["version"]
        if is_newer(schema["version"], version):
            convert(socket, self.database, schema)
            say(f"converted {self.database} from the schema {version} to {schema['version']}")

    def keep_listening(self) -> None:
        """See to it that the members listen to clients as they should: it stands in the database itself, for all of them."""
        socket, table, wanted = self.settings["socket"], self.settings["table"], self.settings["remote"]
        target = [["target", "==", wanted["target"]]]
        select = {"op": "select", "where": [], "columns": ["_uuid"]}
        globals_, found = transact(
            socket,
            self.database,
            [
                {**select, "table": table},
                {"op": "select", "table": "Connection", "where": target, "columns": ["inactivity_probe"]},
            ],
        )
        if [row["inactivity_probe"] for row in found["rows"]] == [wanted["inactivity_probe"]]:
            return
        if found["rows"]:
            operations = [{"op": "update", "table": "Connection", "where": target, "row": wanted}]
        else:
            listens = {"connections": ["named-uuid", "listening"]}
            held = {"op": "update", "where": [], "row": listens} if globals_["rows"] else {"op": "insert", "row": listens}
            operations = [
                {"op": "insert", "table": "Connection", "row": wanted, "uuid-name": "listening"},
                {**held, "table": table},
            ]
        transact(socket, self.database, operations)
        say(f"clients are listened to at {wanted['target']}")


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    if len(arguments) != 2 or arguments[0] not in ("settle", "attend", "ready", "alive"):
        raise Failure("usage: ovsdb_member.py settle|attend|ready|alive SETTINGS")
    (name,) = environment("MEMBER_NAME")
    node = Node(name, read_json(arguments[1]))
    if name not in node.members:
        raise Failure(f"{name} is not among the members {', '.join(node.members)}")
    match arguments[0]:
        case "settle" if node.has_data:
            node.settle()
        case "settle":
            with node.answering(lambda: None, _nobody):
                node.settle()
        case "attend":
            node.attend()
        case "ready" | "alive" as question:
            _probe(node, question)


def _nobody(address: str) -> None:
    raise Unavailable(f"there is no cluster here from which {address} could be removed")


def _probe(node: Node, question: str) -> None:
    try:
        status = node.status()
    except Unavailable as refusal:
        sys.exit(str(refusal))
    if question == "ready" and not takes_part(status):
        sys.exit("not part of a cluster with a leader")


if __name__ == "__main__":
    run(main)
