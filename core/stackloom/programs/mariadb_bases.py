"""Copies of all data: from which server, on what they build, and that each is restored and looked through before it counts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mariadb_binlog import Gtid
from mariadb_calls import STALL_SECONDS, Account, BrokenOff, Refused, answered, call
from mariadb_scratch import Place
from mariadb_store import Base, Kind, Store, chain_of
from program import Failure, say

ASK_SECONDS = 3.0
DATA = "data.mbstream"


@dataclass(frozen=True)
class Source:
    """A server that can be asked for its data: its Pod's name, its address, and Galera's history that it is part of."""

    pod: str
    address: tuple[str, int]
    history: str


class Servers:
    """The agents of all servers, by their hosts in order; ``primary`` leads to that of the one that takes the writes."""

    def __init__(self, hosts: Sequence[str], primary: str, port: int) -> None:
        self._hosts = hosts
        self._primary = primary
        self._port = port

    def sources(self, *, copied: bool = False) -> list[Source]:
        """Those that are in step with a cluster that has a majority, best first: the last of those that take no writes.

        With ``copied``, also those that lag a little because their data are being copied.
        """
        states = (4, 2) if copied else (4,)
        primary = str(self._state(self._primary).get("pod", ""))
        found = []
        for host in reversed(self._hosts):
            said = self._state(host)
            wsrep = said.get("wsrep") or {}
            if wsrep.get("cluster_status") == "Primary" and wsrep.get("ready") and wsrep.get("local_state") in states:
                found.append(Source(str(said["pod"]), (host, self._port), str(wsrep["cluster_uuid"])))
        return sorted(found, key=lambda source: source.pod == primary)

    def _state(self, host: str) -> Mapping[str, Any]:
        try:
            return call((host, self._port), "GET", "/state", ("", ""), timeout=ASK_SECONDS) if host else {}
        except (Refused, BrokenOff):
            return {}


@dataclass(frozen=True)
class Plan:
    """What the next copy is to be."""

    kind: Kind
    parent: Base | None = None


def plan(bases: Sequence[Base], source: Source, *, incremental: bool, cycle: int, now: int) -> Plan:
    """An incremental copy if that was asked for, the last is of this server and history, and its full one is young enough."""
    last = bases[-1] if bases else None
    if not incremental or last is None or (last.server, last.history) != (source.pod, source.history):
        return Plan("full")
    full = chain_of(bases, last)[0]
    # A schedule never hits the same second: one that is due within the next half of an hour is made now.
    return Plan("full") if now - full.started + 1800 >= cycle else Plan("incremental", last)


class Bases:
    """Makes copies. ``place`` is where they are checked."""

    def __init__(self, store: Store, servers: Servers, account: Account, place: Place) -> None:
        self._store = store
        self._servers = servers
        self._account = account
        self._place = place

    def make(self, *, incremental: bool, cycle: int) -> Base:
        """Make one, check it, let it count. Raises Failure."""
        sources = self._servers.sources()
        if not sources:
            raise Failure("no server is in step with a cluster that has a majority")
        source, bases = sources[0], self._store.bases()
        chosen = plan(bases, source, incremental=incremental, cycle=cycle, now=int(time.time()))
        try:
            return self._make(source, chosen, bases)
        except Failure as failure:
            if chosen.kind == "full":
                raise
            say(f"an incremental copy cannot be had, so all is copied: {failure}")
            return self._make(source, Plan("full"), bases)

    def _make(self, source: Source, chosen: Plan, bases: Sequence[Base]) -> Base:
        started = int(time.time())
        base_id = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(started))}-{chosen.kind}"
        directory = self._store.new_base(base_id)
        try:
            identity, entry = self._copy(source, chosen, directory)
            finished = int(time.time()) + 1
            before = chain_of(bases, chosen.parent) if chosen.parent else []
            copies = [*((self._store.base_directory(b.id), b.files) for b in before), (directory, [entry])]
            shutil.rmtree(self._place.directory, ignore_errors=True)
            told = self._place.unpack(self._store.seal, copies)
            if told.history != source.history:
                raise Failure(f"{source.pod} gave data of the history {told.history}, and is part of {source.history}")
            with self._place.running(Gtid.parse(told.gtids, told.domain)) as scratch:
                tables = scratch.check()
            base = Base(
                id=base_id,
                kind=chosen.kind,
                parent=chosen.parent.id if chosen.parent else "",
                server=source.pod,
                identity=identity,
                history=told.history,
                seqno=told.seqno,
                gtid=told.gtids,
                domain=told.domain,
                from_lsn=told.from_lsn,
                to_lsn=told.to_lsn,
                version=told.version,
                started=started,
                finished=finished,
                tables=tables,
                raw_size=entry["raw"],
                files=[entry],
            )
            self._store.add_base(base)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            shutil.rmtree(self._place.directory, ignore_errors=True)
        say(
            f"{base.id}: {base.tables} tables up to {base.gtid} of {source.pod} have been restored and checked; {base.size} bytes"
        )
        return base

    def _copy(self, source: Source, chosen: Plan, directory: Path) -> tuple[str, dict[str, Any]]:
        query = {"lsn": chosen.parent.to_lsn, "identity": chosen.parent.identity} if chosen.parent else {}
        path = f"/backup?{urlencode(query)}"
        say(f"copying {source.pod}: {chosen.kind}")
        try:
            with answered(source.address, "GET", path, self._account, timeout=STALL_SECONDS) as response:
                entry = self._store.seal.write(directory / f"{DATA}{self._store.seal.ending}", response.read)
                return str(response.headers["X-Identity"]), entry
        except (Refused, BrokenOff) as error:
            raise Failure(f"{error}; the log of {source.pod} may say more") from error
