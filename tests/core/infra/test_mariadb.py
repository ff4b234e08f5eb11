from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom import Output
from stackloom.checks.index import Index, Workload
from stackloom.checks.policies import Policies
from stackloom.errors import StackloomError
from stackloom.infra import offered
from stackloom.infra.mariadb import MARIADB
from tests.core.constructs.conftest import Built
from tests.core.infra.built import built
from tests.core.infra.cloud import cloud, plugins

ROOT = Path(__file__).parents[3]
PROGRAMS = ROOT / "core" / "stackloom" / "programs"
SERVERS, EXPORTERS = "StatefulSet/mariadb-server", "StatefulSet/mariadb-exporter"
CONTROLLER = "Deployment/mariadb-controller"
GIB = 1024**3


@pytest.fixture
def mariadb(tmp_path: Path) -> Built:
    return built(MARIADB, tmp_path)


@pytest.fixture
def whole_cloud(manifests: Callable[..., list[Output]], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Output]]:
    """All objects of a cloud with the database, whether the core offers it already or not; all checks have passed."""
    shared = [s for s in offered._SHARED if s.name != MARIADB.name]
    monkeypatch.setattr(offered, "_SHARED", (*shared, MARIADB))
    return lambda **spec: manifests(cloud(**spec), plugins=plugins())


def changed(values: dict[str, Any]) -> dict[str, Any]:
    """What an operator changes of the database."""
    return {"database": {"mariadb": {"values": values}}}


def options(mariadb: Built) -> dict[str, str]:
    """The options of its file."""
    lines = mariadb.context.config_files["galera.cnf"].text.splitlines()
    assert lines[0] == "[mariadbd]"
    assert not any(line.startswith("[") for line in lines[1:])
    return dict(line.split(" = ", 1) for line in lines[1:])


def provider(mariadb: Built) -> dict[str, str]:
    """The options of Galera's library."""
    return dict(option.split("=") for option in options(mariadb)["wsrep_provider_options"].split(";"))


def rules(mariadb: Built, role: str) -> set[tuple[str, str, tuple[str, ...]]]:
    """What a Role allows: verb, resource, names."""
    found = mariadb[f"Role/{role}"]["rules"]
    return {(v, r["resources"][0], tuple(r.get("resourceNames", ()))) for r in found for v in r["verbs"]}


@pytest.mark.parametrize(
    ("size", "pods", "memory", "connections"),
    [
        ("single", [1, 1, 1], 2, 1000),
        ("tiny", [3, 3, 2], 4, 2000),
        ("small", [3, 3, 2], 8, 4000),
        ("medium", [3, 3, 2], 16, 8000),
    ],
)
def test_a_larger_cloud_has_larger_servers_on_the_same_volumes(
    tmp_path: Path, size: str, pods: list[int], memory: int, connections: int
) -> None:
    mariadb = built(MARIADB, tmp_path, size=size)
    assert [mariadb[w]["spec"]["replicas"] for w in (SERVERS, EXPORTERS, CONTROLLER)] == pods
    resources = mariadb.container(SERVERS)["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"] == f"{memory}Gi"
    assert int(options(mariadb)["innodb_buffer_pool_size"]) * 2 == memory * GIB
    assert options(mariadb)["max_connections"] == str(connections)
    (claim,) = mariadb[SERVERS]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert claim["spec"]["storageClassName"] == mariadb.context.deployment.spec.local_volume_storage_class


def test_the_buffers_follow_the_operators_limit_of_memory_unless_he_sets_them(tmp_path: Path) -> None:
    resources = {"server": {"requests": {"memory": "6G"}, "limits": {"memory": "6G"}}}
    mariadb = built(MARIADB, tmp_path, services=changed({"resources": resources}))
    size = int(options(mariadb)["innodb_buffer_pool_size"])
    assert size % 2**20 == 0
    assert 0 <= 3 * 10**9 - size < 2**20
    conf = {"galera": {"mariadbd": {"innodb-buffer-pool-size": "1G"}}}
    own = options(built(MARIADB, tmp_path, services=changed({"resources": resources, "conf": conf})))
    assert own["innodb_buffer_pool_size"] == "1G"
    assert "innodb-buffer-pool-size" not in own


def test_clients_are_led_to_the_primary_and_servers_find_one_another_before_they_are_ready(mariadb: Built) -> None:
    clients, readers, peers = (mariadb[f"Service/{name}"]["spec"] for name in ("mariadb", "mariadb-server", "mariadb-discovery"))
    assert clients["selector"] == {**readers["selector"], "mariadb_role": "primary"}
    assert not {"clusterIP", "publishNotReadyAddresses"} & {*clients, *readers}
    assert (peers["clusterIP"], peers["publishNotReadyAddresses"]) == ("None", True)
    assert mariadb[SERVERS]["spec"]["serviceName"] == "mariadb-discovery"
    assert [p["port"] for p in clients["ports"]] == [3306]


def test_servers_start_at_once_on_different_nodes_where_they_stay_and_are_drained_one_by_one(mariadb: Built) -> None:
    spec, pod = mariadb[SERVERS]["spec"], mariadb.pod(SERVERS)
    assert spec["podManagementPolicy"] == "Parallel"
    assert "requiredDuringSchedulingIgnoredDuringExecution" in pod["affinity"]["podAntiAffinity"]
    assert all("tolerationSeconds" not in t for t in pod["tolerations"])
    assert mariadb["PodDisruptionBudget/mariadb-server"]["spec"]["maxUnavailable"] == 1
    assert spec["template"]["metadata"]["annotations"]["stackloom.io/runtime-labels"] == "mariadb_role"
    assert "mariadb_role" not in spec["template"]["metadata"]["labels"]


def test_a_server_is_not_killed_while_it_recovers_and_is_out_of_service_within_seconds(mariadb: Built) -> None:
    container = mariadb.container(SERVERS)
    assert "startupProbe" not in container
    ready, alive = container["readinessProbe"], container["livenessProbe"]
    assert (ready["httpGet"], alive["httpGet"]) == ({"path": "/readyz", "port": "agent"}, {"path": "/healthz", "port": "agent"})
    assert ready["periodSeconds"] * ready["failureThreshold"] <= 4
    assert alive["periodSeconds"] * alive["failureThreshold"] >= 60


def in_program(module: str) -> Any:
    """A module of the programs, which import each other by their bare names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROGRAMS))
        return importlib.import_module(module)


def program_settings(mariadb: Built) -> Any:
    """What the program of the servers makes of the environment that its container has."""
    env = {e["name"]: e.get("value", e["name"]) for e in mariadb.container(SERVERS)["env"]}
    return in_program("mariadb_options").Settings.read(env)


def test_the_servers_program_finds_all_that_it_reads(mariadb: Built) -> None:
    settings, container, pod = program_settings(mariadb), mariadb.container(SERVERS), mariadb.pod(SERVERS)
    assert settings.peers == tuple(f"mariadb-server-{i}.mariadb-discovery.openstack.svc.cluster.local" for i in range(3))
    mounts = {m["mountPath"]: m for m in container["volumeMounts"]}
    assert {str(settings.volume), str(settings.run)} <= {path for path, m in mounts.items() if not m.get("readOnly")}
    (etc,) = (v["projected"]["sources"] for v in pod["volumes"] if v["name"] == mounts[str(settings.config.parent)]["name"])
    files = {f"/etc/mysql/{i['path']}" for source in etc for body in source.values() for i in body["items"]}
    accounts = {
        f"{settings.secrets}/mariadb-{who}/{key}" for who in ("admin", "sst", "monitor") for key in ("username", "password")
    }
    assert files == {str(settings.config), *accounts}
    assert {"name": "agent", "containerPort": settings.agent_port, "protocol": "TCP"} in container["ports"]


def test_a_server_has_the_time_to_lead_its_clients_away_and_to_stop(mariadb: Built) -> None:
    leave = in_program("mariadb_leave")
    waits = leave.ROLE_SECONDS + leave.SETTLE_SECONDS
    assert mariadb.container(SERVERS)["lifecycle"]["preStop"]["exec"]["command"][-1].endswith("/mariadb_leave.py")
    assert mariadb.pod(SERVERS)["terminationGracePeriodSeconds"] >= waits + program_settings(mariadb).stop_seconds + 10


def test_options_say_where_the_program_looks_for_things(mariadb: Built) -> None:
    settings, found = program_settings(mariadb), options(mariadb)
    assert found["datadir"] == str(settings.volume / "data")
    assert found["socket"] == str(settings.run / "mysqld.sock")


def test_what_is_confirmed_is_on_the_disk_and_can_be_restored_to_a_point_in_time(mariadb: Built) -> None:
    durable = {"innodb_flush_log_at_trx_commit": "1", "sync_binlog": "1", "innodb_doublewrite": "ON"}
    replayable = {"log_slave_updates": "ON", "binlog_format": "ROW", "wsrep_gtid_mode": "ON", "server_id": "1"}
    assert {**durable, **replayable}.items() <= options(mariadb).items()
    assert options(mariadb)["loose_slave_connections_needed_for_purge"] == "0"
    assert provider(mariadb)["pc.recovery"] == "no"


def test_a_service_may_make_triggers_in_its_database(mariadb: Built) -> None:
    assert options(mariadb)["log_bin_trust_function_creators"] == "ON"


def test_operators_change_options_of_mariadb_and_of_galera(tmp_path: Path) -> None:
    conf = {"mariadbd": {"max_connections": 500, "innodb_io_capacity": 1000}, "wsrep_provider_options": {"gcache.size": "4G"}}
    usual, own = built(MARIADB, tmp_path), built(MARIADB, tmp_path, services=changed({"conf": {"galera": conf}}))
    assert (options(own)["max_connections"], options(own)["innodb_io_capacity"]) == ("500", "1000")
    assert provider(own) == {**provider(usual), "gcache.size": "4G"}
    assert usual[SERVERS]["spec"]["template"]["metadata"] != own[SERVERS]["spec"]["template"]["metadata"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replicas": {"server": 2}}, r"replicas\.server: 2 servers survive no more losses than 1"),
        ({"replicas": {"server": 0}}, r"replicas\.server: without a server"),
        ({"conf": {"galera": {"mariadbd": {"binlog-format": "MIXED"}}}}, "binlog-format is what the cluster"),
        ({"conf": {"galera": {"mariadbd": {"wsrep_sst_auth": "sst:secret"}}}}, "wsrep_sst_auth is what the cluster"),
        ({"conf": {"galera": {"mariadbd": {"wsrep_provider_options": "x"}}}}, "Set it in the group wsrep_provider_options"),
        ({"conf": {"galera": {"wsrep_provider_options": {"pc.recovery": "yes"}}}}, r"pc\.recovery is what the cluster"),
        ({"conf": {"galera": {"mysqld": {"max_connections": 9}}}}, "'mysqld' is no group.*mariadbd"),
        ({"conf": {"my": {}}}, "no configuration file"),
    ],
)
def test_what_would_break_the_cluster_is_refused(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(StackloomError) as refused:
        built(MARIADB, tmp_path, services=changed(values))
    assert re.search(message, str(refused.value), re.DOTALL)


@pytest.mark.parametrize("count", [5, 11])
def test_more_servers_are_known_to_all_that_deal_with_them(tmp_path: Path, count: int) -> None:
    mariadb = built(MARIADB, tmp_path, services=changed({"replicas": {"server": count}}))
    names = tuple(f"mariadb-server-{i}" for i in range(count))
    assert mariadb[SERVERS]["spec"]["replicas"] == mariadb[EXPORTERS]["spec"]["replicas"] == count
    assert tuple(host.partition(".")[0] for host in program_settings(mariadb).peers) == names
    (patched,) = (n for verb, what, n in rules(mariadb, "mariadb-controller") if (verb, what) == ("patch", "pods"))
    assert set(patched) >= set(names)


def test_the_controller_may_do_what_it_says_it_needs_and_nothing_else(mariadb: Built) -> None:
    needed = {(verb, of.group, of.plural, name) for verb, of, name in in_program("mariadb_controller").needs(3)}
    allowed = {
        (verb, rule["apiGroups"][0], rule["resources"][0], name)
        for rule in mariadb["Role/mariadb-controller"]["rules"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }
    those_that_go = {("patch", "", "pods", f"mariadb-server-{i}") for i in range(3, 9)}
    assert allowed == needed | those_that_go
    assert ("patch", "", "pods", "") not in allowed


def test_a_server_may_report_and_read_what_was_decided(mariadb: Built) -> None:
    servers = tuple(f"mariadb-server-{i}" for i in range(9))
    allowed = {("create", "configmaps", ()), *((verb, "configmaps", ("mariadb-state",)) for verb in ("get", "patch"))}
    assert rules(mariadb, "mariadb-server") == {*allowed, ("get", "pods", servers)}
    assert mariadb.pod(SERVERS)["serviceAccountName"] == "mariadb-server"
    assert mariadb.pod(CONTROLLER)["serviceAccountName"] == "mariadb-controller"


def test_servers_fetch_what_is_restored_from_the_backup_pod_where_there_is_one(tmp_path: Path) -> None:
    backed_up = built(MARIADB, tmp_path, features={"database": {"backup": {"enabled": True}}})
    assert program_settings(backed_up).backup == "mariadb-backup.openstack.svc.cluster.local:8081"
    assert program_settings(built(MARIADB, tmp_path)).backup == ""


def test_the_controller_lives_without_the_api(mariadb: Built) -> None:
    container = mariadb.container(CONTROLLER)
    assert "startupProbe" not in container
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert mariadb.context.monitored_ports == [9104, 8080]


@pytest.mark.parametrize("workload", [SERVERS, CONTROLLER])
def test_every_module_that_a_program_imports_is_in_its_image_or_mounted(mariadb: Built, workload: str) -> None:
    (items,) = (
        {i["path"] for s in v["projected"]["sources"] for i in s["configMap"]["items"]}
        for v in mariadb.pod(workload)["volumes"]
        if v["name"] == "opt-stackloom-programs"
    )
    trees = [ast.walk(ast.parse((PROGRAMS / item).read_text())) for item in items]
    imported = {node.module for tree in trees for node in tree if isinstance(node, ast.ImportFrom) and node.module}
    imported |= {
        a.name
        for item in items
        for n in ast.walk(ast.parse((PROGRAMS / item).read_text()))
        if isinstance(n, ast.Import)
        for a in n.names
    }
    outside = {m.partition(".")[0] for m in imported} - {i.removesuffix(".py") for i in items} - sys.stdlib_module_names
    assert outside <= ({"pymysql"} if workload == SERVERS else set())


def test_an_exporter_looks_at_the_server_of_its_own_number_and_stands_apart_from_it(mariadb: Built) -> None:
    assert [c["name"] for c in mariadb.pod(SERVERS)["containers"]] == ["mariadb-server"]
    env = mariadb.env(EXPORTERS)
    assert env["MYSQLD_EXPORTER_PASSWORD"] == "mariadb-monitor/password"
    assert "mariadb-server-${HOSTNAME##*-}.mariadb-discovery." in mariadb.container(EXPORTERS)["command"][-1]


def test_only_the_database_reads_its_own_accounts(mariadb: Built) -> None:
    assert {c.name: c.readers for c in mariadb.context.credentials} == {
        "mariadb-sst": {"mariadb"},
        "mariadb-monitor": {"mariadb"},
    }


def workload(index: Index, path: str) -> Workload:
    return next(w for w in index.workloads if w.output.path == path)


@pytest.mark.parametrize("size", ["single", "tiny", "small", "medium"])
def test_a_cloud_with_the_database_passes_all_checks(whole_cloud: Callable[..., list[Output]], size: str) -> None:
    assert {o.name for o in whole_cloud(size=size) if o.component == "mariadb" and o.kind == "StatefulSet"} == {
        "mariadb-server",
        "mariadb-exporter",
    }


def test_policies_let_through_what_is_called_and_no_more(whole_cloud: Callable[..., list[Output]]) -> None:
    index = Index(whole_cloud())
    policies = Policies(index)
    servers, controller, exporters, client, broker = (
        workload(index, path)
        for path in (
            f"mariadb/{SERVERS}",
            f"mariadb/{CONTROLLER}",
            f"mariadb/{EXPORTERS}",
            "cinder/Deployment/cinder-api",
            "rabbitmq-cinder/StatefulSet/rabbitmq-cinder",
        )
    )
    assert all(policies.allow(servers, servers, port) for port in (3306, 4444, 4567, 4568, 8081))
    assert all(
        policies.allow(*edge) for edge in ((client, servers, 3306), (exporters, servers, 3306), (controller, servers, 8081))
    )
    shut = [(client, servers, 8081), (client, servers, 4567), (broker, servers, 3306), (client, controller, 8080)]
    assert [edge for edge in shut if policies.allow(*edge)] == []


def test_a_volume_may_be_larger_from_the_start(tmp_path: Path) -> None:
    mariadb = built(MARIADB, tmp_path, features={"mariadb": {"volume_size": "200Gi"}})
    (claim,) = mariadb[SERVERS]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "200Gi"


def test_the_options_of_its_page_are_taken(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "mariadb.md").read_text(), re.DOTALL)
    assert built(MARIADB, tmp_path, **yaml.safe_load(example)["spec"]).bodies()
