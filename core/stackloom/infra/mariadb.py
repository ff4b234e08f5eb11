"""The databases of all services: a Galera cluster of MariaDB, and the controller that says which server takes the writes.

Every server holds everything, and clients talk to one of them: the Service ``mariadb`` selects the Pod with the label
``mariadb_role: primary``, which the program ``mariadb_controller.py`` moves. How a server starts, joins, recovers and ends is
decided by ``mariadb_server.py``, the first process of its Pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stackloom.errors import Problem, did_you_mean
from stackloom.fields import SpecModel
from stackloom.infra.mariadb_backup import IMAGES as BACKUP_IMAGES
from stackloom.infra.mariadb_backup import add_backup, address
from stackloom.manifests.files import ConfigFile, SecretFile
from stackloom.manifests.objects import service
from stackloom.manifests.pod import PodField, Probe, Probes, Resources
from stackloom.model.credential import SecretKey, Value
from stackloom.model.image import Image
from stackloom.model.service import BySize, Endpoint, Service
from stackloom.oslo.ini import Option, merge, render
from stackloom.spec.values import Quantity, quantity

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.spec.deployment import OpenStackDeployment

_SERVER = "mariadb-server"
_CONTROLLER = "mariadb-controller"
_DISCOVERY = "mariadb-discovery"
_STATE = "mariadb-state"
_ROLE = "mariadb_role"

_SQL_PORT = 3306
_GALERA_PORT = 4567
_IST_PORT = 4568
_SST_PORT = 4444
_AGENT_PORT = 8081
_CONTROLLER_PORT = 8080
_EXPORTER_PORT = 9104
_MANY = 9
_UID = 999  # of the published image
_EXPORTER_UID = 65534

_VOLUME = "/var/lib/mysql"
_SECRETS = "/etc/mysql/secrets"

_GIB = 1024**3
_MEMORY_GIB = BySize(single=2, tiny=4, small=8, medium=16)
_CONNECTIONS = BySize(single=1000, tiny=2000, small=4000, medium=8000)
_APPLIERS = BySize(single=2, tiny=4, small=4, medium=8)
_CPU = BySize(single=250, tiny=500, small=1000, medium=2000)

_OPTIONS = "mariadbd"
_PROVIDER = "wsrep_provider_options"
# What the cluster, its recovery and its programs rely on.
_KEPT = {
    _OPTIONS: {
        "binlog_checksum",
        "binlog_format",
        "datadir",
        "default_storage_engine",
        "encrypt_binlog",
        "innodb_autoinc_lock_mode",
        "innodb_doublewrite",
        "log_bin",
        "log_bin_index",
        "log_slave_updates",
        "pid_file",
        "port",
        "server_id",
        "skip_name_resolve",
        "socket",
        "wsrep_cluster_address",
        "wsrep_cluster_name",
        "wsrep_gtid_domain_id",
        "wsrep_gtid_mode",
        "wsrep_node_address",
        "wsrep_node_name",
        "wsrep_notify_cmd",
        "wsrep_on",
        "wsrep_provider",
        "wsrep_provider_options",
        "wsrep_sst_auth",
        "wsrep_sst_method",
    },
    _PROVIDER: {"gcache.recover", "pc.ignore_quorum", "pc.ignore_sb", "pc.recovery", "pc.wait_prim"},
}


class MariadbFeatures(SpecModel):
    """The cluster of the databases."""

    volume_size: Quantity = "20Gi"
    """What each server's volume must have. Kubernetes lets nobody change it once the cloud is there."""


def servers(ctx: ServiceContext) -> list[str]:
    """The servers' Pods, by name."""
    return [f"{_SERVER}-{i}" for i in range(ctx.replicas("server", BySize(single=1, tiny=3, small=3, medium=3)))]


def server_hosts(ctx: ServiceContext) -> list[str]:
    """The hosts by which the servers are called one by one."""
    return [f"{server}.{ctx.host(_DISCOVERY)}" for server in servers(ctx)]


def build(ctx: ServiceContext) -> None:
    """Add the servers, the controller, the Services in front of them, and an exporter for each server."""
    count = len(servers(ctx))
    monitor = _describe_credentials(ctx)
    _add_servers(ctx, count)
    _add_controller(ctx, count)
    _add_exporters(ctx, count, monitor)
    add_backup(ctx, server_hosts(ctx))
    # Clients are led to the one that takes the writes; a reader that may lag by a moment takes any that is ready.
    ports = {"mysql": _SQL_PORT}
    ctx.component.add(service(ctx.identity("mariadb", "server"), ports, labels={_ROLE: "primary"}))
    ctx.component.add(service(ctx.identity(_SERVER, "server"), ports))


def _describe_credentials(ctx: ServiceContext) -> str:
    """The accounts beside the administrator's, which is there already: of servers among one another, and of who looks on."""
    ctx.credential("mariadb-sst", {"username": Value.constant("sst"), "password": Value.password()})
    return ctx.credential("mariadb-monitor", {"username": Value.constant("monitor"), "password": Value.password()}).name


def _add_servers(ctx: ServiceContext, count: int) -> None:
    ctx.stateful(
        "server",
        name=_SERVER,
        domain=_DISCOVERY,
        command=["python3", "/opt/stackloom/programs/mariadb_server.py"],
        env={
            "POD_NAME": PodField("metadata.name"),
            "POD_UID": PodField("metadata.uid"),
            "POD_IP": PodField("status.podIP"),
            "MARIADB_PEERS": ",".join(server_hosts(ctx)),
            **({"MARIADB_BACKUP": backup} if (backup := address(ctx)) else {}),
        },
        ports={"mysql": _SQL_PORT, "galera": _GALERA_PORT, "ist": _IST_PORT, "sst": _SST_PORT, "agent": _AGENT_PORT},
        # A server may take any time to recover or to fetch everything from another: it lives while its program does.
        probes=Probes(
            path="/readyz",
            port="agent",
            period=2,
            timeout=2,
            startup_seconds=0,
            alive=Probe(path="/healthz", port="agent"),
        ),
        config=[
            ctx.program("mariadb_server.py"),
            ctx.program("mariadb_leave.py"),
            _configuration(ctx),
            *(
                _secret(name, key)
                for name in ("mariadb-admin", "mariadb-sst", "mariadb-monitor")
                for key in ("username", "password")
            ),
        ],
        replicas=count,
        volumes={_VOLUME: ctx.features_as(MariadbFeatures).volume_size},
        storage_class=ctx.deployment.spec.local_volume_storage_class,
        writable=["/run/mysqld"],
        resources=_resources(ctx),
        user=_UID,
        account=ctx.account(_server_rules(count), _SERVER),
        # It goes on serving while the controller leads clients elsewhere; then MariaDB has the program's 100 seconds to stop.
        before_stop=["python3", "/opt/stackloom/programs/mariadb_leave.py"],
        grace_seconds=150,
        found_early=True,
        apart=True,
        bound=True,
        runtime_labels=[_ROLE],
    )


def _add_controller(ctx: ServiceContext, count: int) -> None:
    ctx.worker(
        "controller",
        image="python",
        command=["python3", "/opt/stackloom/programs/mariadb_controller.py"],
        env={"POD_NAME": PodField("metadata.name")},
        ports={"metrics": _CONTROLLER_PORT},
        # Ready once the API has said what it may do. While the API is away it lives: a restart would only keep it from going on.
        probes=Probes(path="/readyz", port="metrics", startup_seconds=0, alive=Probe(path="/healthz", port="metrics")),
        config=[ctx.program("mariadb_controller.py")],
        replicas=BySize(single=1, tiny=2, small=2, medium=2),
        resources=Resources(cpu="50m", memory="64Mi", memory_limit="256Mi"),
        credentials=False,
        account=ctx.account(_controller_rules(count), _CONTROLLER),
    )
    ctx.allow_monitoring(_CONTROLLER_PORT)


def _server_rules(count: int) -> list[dict[str, Any]]:
    """What a server may do: report what it holds, read what was decided, and see which of the servers takes the writes."""
    return [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [_STATE], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["pods"], "resourceNames": _servers(count), "verbs": ["get"]},
    ]


def _servers(count: int) -> list[str]:
    """The Pods of all servers, and of those that go when there are to be fewer."""
    return [f"{_SERVER}-{i}" for i in range(max(count, _MANY))]


def _controller_rules(count: int) -> list[dict[str, Any]]:
    """What the controller may do. Whoever may patch a Pod may change its image, so it is held to those of the servers."""
    # Those that go when there are to be fewer must lose their role first.
    servers = _servers(count)
    return [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "resourceNames": servers, "verbs": ["patch"]},
        {"apiGroups": ["apps"], "resources": ["statefulsets"], "resourceNames": [_SERVER], "verbs": ["get"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [_CONTROLLER],
            "verbs": ["get", "update"],
        },
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [_STATE], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]


def _add_exporters(ctx: ServiceContext, count: int, monitor: str) -> None:
    """An exporter for each server, in a Pod of its own: one that fails must not take a server out of service."""
    server = f"{_SERVER}-${{HOSTNAME##*-}}.{ctx.host(_DISCOVERY)}:{_SQL_PORT}"
    command = (
        f'exec /bin/mysqld_exporter --mysqld.address="{server}" --mysqld.username="$MONITOR_USER"'
        # No server of the cluster is a replica, whose state this would ask for.
        f" --web.listen-address=:{_EXPORTER_PORT} --no-collect.slave_status"
    )
    ctx.stateful(
        "exporter",
        image="exporter",
        command=["sh", "-c", command],
        env={
            "MONITOR_USER": SecretKey(secret=monitor, key="username"),
            "MYSQLD_EXPORTER_PASSWORD": SecretKey(secret=monitor, key="password"),
        },
        ports={"metrics": _EXPORTER_PORT},
        probes=Probes(path="/", port="metrics"),
        replicas=count,
        resources=Resources(cpu="10m", memory="32Mi", memory_limit="128Mi"),
        user=_EXPORTER_UID,
        grace_seconds=10,
    )


def _secret(name: str, key: str) -> SecretFile:
    return SecretFile(f"{_SECRETS}/{name}/{key}", name, key)


def _resources(ctx: ServiceContext) -> Resources:
    # What the buffers take once they are full is never given back, so all of it is asked for.
    memory = f"{ctx.by_size(_MEMORY_GIB)}Gi"
    return Resources(cpu=f"{ctx.by_size(_CPU)}m", memory=memory, memory_limit=memory)


def _configuration(ctx: ServiceContext) -> ConfigFile:
    """The options that all servers have in common, in a file that MariaDB 10.11 and 11.4 read the same way."""
    given = ctx.values.conf.get("galera", {})
    # MariaDB takes a name with dashes for the same option.
    own = {
        _OPTIONS: {_name(option): value for option, value in given.get(_OPTIONS, {}).items()},
        _PROVIDER: given.get(_PROVIDER, {}),
    }
    sections = merge({_OPTIONS: _options(ctx), _PROVIDER: _PROVIDER_OPTIONS}, own)
    provider = sections.pop(_PROVIDER)
    sections[_OPTIONS][_PROVIDER] = ";".join(f"{name}={value}" for name, value in sorted(provider.items()))
    return ctx.file("/etc/mysql/galera.cnf", render(sections))


def _name(option: str) -> str:
    return option.replace("-", "_")


def _options(ctx: ServiceContext) -> dict[str, Option]:
    limit = int(quantity(ctx.resources("server", _resources(ctx).body())["limits"]["memory"]))
    return {
        "datadir": f"{_VOLUME}/data",
        "socket": "/run/mysqld/mysqld.sock",
        "pid_file": "/run/mysqld/mysqld.pid",
        "port": _SQL_PORT,
        "skip_name_resolve": "ON",
        "max_connections": ctx.by_size(_CONNECTIONS),
        "max_allowed_packet": "256M",
        # As the databases of the services are made: what is made without a word about it must fit beside them.
        "character_set_server": "utf8mb3",
        "collation_server": "utf8mb3_general_ci",
        # Half of the memory; connections, transactions under way and copies to others share the rest.
        "innodb_buffer_pool_size": limit // 2 // 2**20 * 2**20,
        "innodb_log_file_size": "512M",
        "innodb_doublewrite": "ON",
        # What a client was told is done is on the disk, of every server by itself.
        "innodb_flush_log_at_trx_commit": 1,
        "sync_binlog": 1,
        "default_storage_engine": "InnoDB",
        "innodb_autoinc_lock_mode": 2,
        # The same binary logs on every server, each transaction under the same identifier: what restores to a point in time.
        "log_bin": "mariadb-bin",
        "log_slave_updates": "ON",
        "binlog_format": "ROW",
        # Services make triggers in their databases while they are upgraded, as Glance does. MariaDB would leave that to
        # administrators, lest they run otherwise on another server; but rows are what is logged.
        "log_bin_trust_function_creators": "ON",
        "server_id": 1,
        "wsrep_gtid_mode": "ON",
        "wsrep_gtid_domain_id": 100,
        "max_binlog_size": "256M",
        "binlog_expire_logs_seconds": 3 * 24 * 3600,
        # For MariaDB 11.4 only, which would otherwise keep all logs until a replica connects.
        "loose_slave_connections_needed_for_purge": 0,
        "loose_max_binlog_total_size": "4G",
        "wsrep_on": "ON",
        "wsrep_provider": "/usr/lib/galera/libgalera_smm.so",
        "wsrep_cluster_name": ctx.namespace,
        "wsrep_slave_threads": ctx.by_size(_APPLIERS),
        "wsrep_sst_method": "mariabackup",
    }


# A server that is gone holds up the others' writes for about three seconds, one that pauses for less than two is waited for.
_PROVIDER_OPTIONS: Mapping[str, Option] = {
    "evs.keepalive_period": "PT0.5S",
    "evs.inactive_check_period": "PT0.25S",
    "evs.suspect_timeout": "PT2S",
    "evs.inactive_timeout": "PT4S",
    "evs.install_timeout": "PT4S",
    # What a server missed while its node was restarted comes from here; beyond that it takes a copy of everything.
    "gcache.size": "1G",
    "gcache.recover": "yes",
    # Who starts the cluster is decided with the positions of all servers in hand, and never by servers that remember one another.
    "pc.recovery": "no",
    # A server that finds none that runs ends, and its program looks again.
    "pc.wait_prim_timeout": "PT10S",
}


def _rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    chart = deployment.spec.services.get("database", {}).get("mariadb")
    if chart is None:
        return
    path = "services.database.mariadb.values"
    servers = chart.values.replicas.get("server", 1)
    if servers % 2 == 0:
        lacking = f"{servers} servers survive no more losses than {servers - 1}: half of them are no majority"
        yield Problem(
            path=f"{path}.replicas.server",
            what=lacking if servers else "without a server there is no database",
            hint="Use an odd number, 3 or more",
        )
    for group, options in chart.values.conf.get("galera", {}).items():
        where = f"{path}.conf.galera.{group}"
        if group not in _KEPT:
            yield Problem(path=where, what=f"{group!r} is no group of the file", hint=did_you_mean(group, _KEPT))
            continue
        for option in options:
            if _name(option).removeprefix("loose_") in _KEPT[group]:
                yield Problem(
                    path=f"{where}.{option}",
                    what=f"{option} is what the cluster and its recovery rely on",
                    hint=f"Set it in the group {_PROVIDER}" if _name(option) == _PROVIDER else "Leave it out",
                )


MARIADB = Service(
    name="mariadb",
    type="database",
    backs="database",
    build=build,
    features=MariadbFeatures,
    rules=_rules,
    endpoints=(Endpoint(service="mariadb", port=_SQL_PORT, name="mysql"),),
    peer_ports=(_SST_PORT, _GALERA_PORT, _IST_PORT, _AGENT_PORT),
    metrics_port=_EXPORTER_PORT,
    images={
        "mariadb": Image("quay.io/airshipit/mariadb", "latest-ubuntu_noble"),
        "exporter": Image("quay.io/prometheus/mysqld-exporter", "v0.20.0"),
        **BACKUP_IMAGES,
    },
    conf=("galera",),
)
