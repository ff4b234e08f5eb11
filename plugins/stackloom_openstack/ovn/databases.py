"""OVN's two databases, each a cluster of ovsdb-server: what is wanted (northbound), and how it is carried out (southbound).

How a member starts, and comes back when it has lost its disk, is decided by the program ``ovsdb_member.py``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackloom import BySize, ConfigFile, Container, PodField, Probe, Probes, Resources, SecretFile, certificate_keys
from stackloom_openstack.ovn.tls import CLIENT_TLS, MEMBER_TLS, tls_files, tls_options

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

AUTHORITY = "ovn-authority"
STEWARD_PORT = 6645
COUNT = BySize(single=1, tiny=3, small=3, medium=3)
# Beside Neutron, Octavia writes what its driver for OVN balances.
_CLIENTS = ("neutron", "octavia")

_VOLUME = "/var/lib/ovn"
_VOLUME_SIZE = "5Gi"
_RUN = "/run/ovn"
_CONTROL = f"{_RUN}/ovsdb.ctl"
_PROGRAM = ("python3", "/opt/stackloom/programs/ovsdb_member.py")
# A leader that is silent for so long is replaced. The default of a second is shorter than some pauses of a busy node.
_ELECTION_MILLISECONDS = 5000
# A client that sends nothing for so long is asked whether it lives. By default after five seconds, within which a client that
# works through a large change does not answer: it would be cut off, and begin again.
PROBE_MILLISECONDS = 60000


@dataclass(frozen=True, kw_only=True, slots=True)
class OvsdbCluster:
    """One of the databases. ``endpoint`` is what others ask for with ``ctx.members``."""

    endpoint: str
    role: str
    schema: str
    database: str
    table: str
    port: int
    raft_port: int
    resources: Resources
    count: BySize = COUNT

    @property
    def service(self) -> str:
        """The Service of members that take part: what gates wait for. The StatefulSet has the same name."""
        return f"ovn-{self.role}"

    @property
    def domain(self) -> str:
        """The headless Service by which members are called one by one, before they are ready too."""
        return f"{self.service}-members"


NORTHBOUND = OvsdbCluster(
    endpoint="ovn-nb",
    role="ovsdb-nb",
    schema="/usr/share/ovn/ovn-nb.ovsschema",
    database="OVN_Northbound",
    table="NB_Global",
    port=6641,
    raft_port=6643,
    resources=Resources(memory="256Mi", memory_limit="2Gi"),
)
SOUTHBOUND = OvsdbCluster(
    endpoint="ovn-sb",
    role="ovsdb-sb",
    schema="/usr/share/ovn/ovn-sb.ovsschema",
    database="OVN_Southbound",
    table="SB_Global",
    port=6642,
    raft_port=6644,
    resources=Resources(memory="512Mi", memory_limit="4Gi"),
)


def connection(ctx: ServiceContext, cluster: OvsdbCluster) -> str:
    """All members of a database, as its clients are told: they find the leader among them."""
    return ",".join(f"ssl:{member}" for member in ctx.members("networking", cluster.endpoint))


def add_databases(ctx: ServiceContext) -> None:
    """Both, and the certificates of members and clients."""
    hosts = [*_hosts(ctx, NORTHBOUND), *_hosts(ctx, SOUTHBOUND)]
    # A member calls the others as well. Its names tell it from a client, which has none.
    ctx.credential(MEMBER_TLS, certificate_keys(AUTHORITY, hosts, usages=("server", "client")))
    ctx.credential(CLIENT_TLS, certificate_keys(AUTHORITY, usages=("client",)), readers=_CLIENTS)
    for cluster in (NORTHBOUND, SOUTHBOUND):
        _add_cluster(ctx, cluster)


def _add_cluster(ctx: ServiceContext, cluster: OvsdbCluster) -> None:
    tls = tls_files(MEMBER_TLS)
    settings = ctx.file(f"/etc/ovn/{cluster.role}.json", json.dumps(_settings(cluster, _hosts(ctx, cluster)), indent=2) + "\n")
    files: list[ConfigFile | SecretFile] = [settings, *tls.values(), *ctx.program("ovsdb_member.py")]
    name = {"MEMBER_NAME": PodField("metadata.name")}
    settle = Container(
        name="settle",
        image=ctx.image("ovn"),
        command=[*_PROGRAM, "settle", settings.path],
        env=name,
        files=files,
        writable=[_RUN],
        volume_mounts=[{"name": _VOLUME.strip("/").replace("/", "-"), "mountPath": _VOLUME}],
        resources=ctx.resources("settle", Resources(cpu="50m", memory="64Mi", memory_limit="256Mi").body()),
    )
    steward = Container(
        name="steward",
        image=ctx.image("ovn"),
        command=[*_PROGRAM, "attend", settings.path],
        env=name,
        ports={"steward": STEWARD_PORT},
        files=files,
        writable=[_RUN],
        probes=Probes(listens="steward"),
        resources=ctx.resources("steward", Resources(cpu="10m", memory="32Mi", memory_limit="128Mi").body()),
    )
    ctx.stateful(
        cluster.role,
        command=[
            "ovsdb-server",
            f"--unixctl={_CONTROL}",
            f"--remote=punix:{_RUN}/ovsdb.sock",
            # Where clients are listened to stands in the database, because only there each port has a probe of its own.
            f"--remote=db:{cluster.database},{cluster.table},connections",
            *tls_options(MEMBER_TLS),
            *log_options(ctx),
            _file(cluster),
        ],
        domain=cluster.domain,
        ports={"ovsdb": cluster.port, "raft": cluster.raft_port},
        # Ready is who takes part in a cluster with a leader. One without lives all the same, and so does one that reads a large
        # file: a restart would bring neither the others back, nor the end of the file.
        probes=Probes(
            command=(*_PROGRAM, "ready", settings.path),
            startup_seconds=0,
            alive=Probe(command=(*_PROGRAM, "alive", settings.path), failures=60),
        ),
        config=[files],
        env=name,
        image="ovn",
        replicas=cluster.count,
        volumes={_VOLUME: _VOLUME_SIZE},
        storage_class=ctx.deployment.spec.local_volume_storage_class,
        resources=cluster.resources,
        writable=[_RUN],
        init=[settle],
        sidecars=[steward],
        # Told so, a leader hands over before it goes, in milliseconds. Killed, it leaves the others to notice.
        before_stop=["ovs-appctl", "-t", _CONTROL, "exit"],
        found_early=True,
        apart=True,
    )
    who = ctx.identity(cluster.service, cluster.role)
    port = {"name": "ovsdb", "port": cluster.port, "targetPort": "ovsdb", "protocol": "TCP"}
    ctx.component.add(who.body("v1", "Service", spec={"selector": who.selector, "ports": [port]}))


def _hosts(ctx: ServiceContext, cluster: OvsdbCluster) -> list[str]:
    """The members' own names, of which the first labels are those of their Pods."""
    return [member.rpartition(":")[0] for member in ctx.members("networking", cluster.endpoint)]


def _file(cluster: OvsdbCluster) -> str:
    return f"{_VOLUME}/{cluster.role}.db"


def _settings(cluster: OvsdbCluster, hosts: Sequence[str]) -> dict[str, object]:
    """What all members have in common, as the program reads it."""
    tls = tls_files(MEMBER_TLS)
    return {
        "database": cluster.database,
        "table": cluster.table,
        "schema": cluster.schema,
        "file": _file(cluster),
        "control": _CONTROL,
        "socket": f"{_RUN}/ovsdb.sock",
        "election_timer": _ELECTION_MILLISECONDS,
        "remote": {"target": f"pssl:{cluster.port}", "inactivity_probe": PROBE_MILLISECONDS},
        "listen": f"0.0.0.0:{STEWARD_PORT}",
        "tls": {"ca": tls["ca-cert"].path, "certificate": tls["certificate"].path, "key": tls["private-key"].path},
        "members": {
            host.partition(".")[0]: {"raft": f"ssl:{host}:{cluster.raft_port}", "steward": f"https://{host}:{STEWARD_PORT}"}
            for host in hosts
        },
    }


def log_options(ctx: ServiceContext) -> list[str]:
    """Where a daemon of OVN logs, and how much: to its output alone."""
    levels = {"DEBUG": "dbg", "INFO": "info", "WARNING": "warn", "ERROR": "err", "CRITICAL": "emer"}
    return [f"-vconsole:{levels[ctx.log_level]}", "-vsyslog:off", "-vfile:off"]
