"""What can happen to servers of a Galera cluster, and how each of it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pymysql

from tests.real.galera import GaleraCluster, Server, wait_for


@dataclass(frozen=True)
class Fault:
    """Something that happens to a server or to several, and how it ends."""

    name: str
    strike: Callable[[], object]
    undo: Callable[[], object] = lambda: None


def killed(cluster: GaleraCluster, *servers: Server) -> Fault:
    """MariaDB is killed; its program, in the same container, goes on."""

    def strike() -> None:
        for pid in filter(None, [server.mariadbd() for server in servers]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    return Fault(f"kill MariaDB of {_numbers(servers)}", strike)


def crashed(cluster: GaleraCluster, *servers: Server) -> Fault:
    """The nodes lose power."""
    return Fault(f"crash {_numbers(servers)}", lambda: cluster.crash(*servers), lambda: _start(servers))


def restarted(cluster: GaleraCluster, *servers: Server) -> Fault:
    """The containers end and begin anew, within the same Pods."""

    def strike() -> None:
        cluster.crash(*servers)
        for server in servers:
            server.resume()

    return Fault(f"restart the container of {_numbers(servers)}", strike)


def stopped(cluster: GaleraCluster, *servers: Server) -> Fault:
    """The Pods are deleted, all at once."""

    def strike() -> None:
        running = [server for server in servers if server.process]
        for server in running:
            server.ask_to_stop()
        for server in running:
            server.stopped()

    return Fault(f"stop {_numbers(servers)}", strike, lambda: _start(servers))


def hung(cluster: GaleraCluster, *servers: Server) -> Fault:
    """MariaDB does nothing, and goes on later as if nothing had been."""
    pids = [pid for server in servers if (pid := server.mariadbd())]

    def send(what: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, what)

    return Fault(f"hang {_numbers(servers)}", lambda: send(signal.SIGSTOP), lambda: send(signal.SIGCONT))


def isolated(cluster: GaleraCluster, *servers: Server) -> Fault:
    """What Galera sends and gets is dropped; each of these is alone then. A MariaDB that starts anew is not alone any more."""

    def turn(*, cut: bool) -> None:
        for server in servers:
            with suppress(pymysql.MySQLError, OSError):
                server.isolate(cut=cut)

    return Fault(f"isolate {_numbers(servers)}", lambda: turn(cut=True), lambda: turn(cut=False))


def lost(cluster: GaleraCluster, *servers: Server) -> Fault:
    """One disk is lost, and others go on without it: only then anybody can be sure that it held nothing that they have not."""
    (server,) = servers[:1]
    others = [other for other in cluster.servers if other is not server]

    def is_left() -> bool:
        views = [(other.state().get("wsrep") or {}).get("members", [server.name]) for other in others]
        return not any(server.name in view for view in views)

    def strike() -> None:
        cluster.wait_until_ready()
        server.crash()
        server.lose_disk()
        wait_for("the others go on without it", is_left, log=cluster.said)

    return Fault(f"lose the disk of {_numbers(servers[:1])}", strike, lambda: _start(servers[:1]))


def _start(servers: tuple[Server, ...]) -> None:
    for server in servers:
        if server.process is None:
            server.start()


def _numbers(servers: tuple[Server, ...]) -> str:
    return " and ".join(str(server.number) for server in servers)


FAULTS = (killed, crashed, restarted, stopped, hung, isolated, lost)
