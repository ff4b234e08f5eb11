from __future__ import annotations

import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom import Output
from stackloom.checks.index import Index, Workload
from stackloom.checks.policies import Policies
from stackloom.infra import mariadb_backup
from stackloom.infra.mariadb import MARIADB
from tests.core.constructs.conftest import Built
from tests.core.infra.built import built
from tests.core.infra.cloud import cloud, plugins

PROGRAMS = Path(__file__).parents[3] / "core" / "stackloom" / "programs"
KEEPER, CLOCK = "StatefulSet/mariadb-backup", "CronJob/mariadb-backup"
REMOTE = {
    "path": "cloud-one/databases",
    "conf": {
        "type": "s3",
        "provider": "Ceph",
        "endpoint": "https://rgw.example.org:8080",
        "access_key_id": "backups",
        "secret_access_key": {"value_from": {"secret_key_ref": {"name": "remote-backup", "key": "secret"}}},
    },
}
VARIANTS: dict[str, dict[str, Any]] = {
    "pvc": {},
    "nfs": {"backend": "pv_nfs", "pv_nfs": {"server": "10.0.0.5", "path": "/exports/backup"}},
    "hostpath": {"backend": "hostpath", "hostpath": {"node": "control-1"}},
    "remote": {"sync_remote": {"enabled": True, "remotes": {"away": REMOTE}}},
    "encrypted": {"encryption": {"enabled": True}, "backup_type": "full", "archive": {"enabled": False}},
}


def features(**backup: Any) -> dict[str, Any]:
    """The features of a deployment with backups."""
    return {"database": {"backup": {"enabled": True, **backup}}}


def database(folder: Path, **backup: Any) -> Built:
    """The database of a deployment with backups."""
    return built(MARIADB, folder, features=features(**backup))


def environment(mariadb: Built) -> dict[str, Any]:
    """What the program that keeps the backups is given."""
    return dict(mariadb.env(KEEPER))


@pytest.fixture
def cloud_with(manifests: Callable[..., list[Output]]) -> Callable[..., list[Output]]:
    """All objects of a cloud with backups; all checks have passed."""
    return lambda size="small", **backup: manifests(cloud(features(**backup), size=size), plugins=plugins())


@pytest.mark.parametrize("variant", VARIANTS)
def test_where_backups_lie(
    cloud_with: Callable[..., list[Output]], assert_snapshots: Callable[[Iterable[Output]], None], variant: str
) -> None:
    found = [o for o in cloud_with(**VARIANTS[variant]) if "backup" in o.name and o.component in {"mariadb", "credentials"}]
    assert_snapshots(o for o in found if variant == "pvc" or o.kind in {"StatefulSet", "NetworkPolicy"})


def test_there_is_nothing_of_it_until_it_is_asked_for(tmp_path: Path) -> None:
    assert not [name for name in built(MARIADB, tmp_path).names if "backup" in name]


@pytest.mark.parametrize("size", ["single", "tiny", "small", "medium"])
def test_a_cloud_with_backups_passes_all_checks(cloud_with: Callable[..., list[Output]], size: str) -> None:
    assert "CronJob" in {o.kind for o in cloud_with(size=size) if o.name == "mariadb-backup"}


def test_the_clock_only_asks_and_so_needs_no_volume_and_no_account_in_the_cluster(tmp_path: Path) -> None:
    mariadb = database(tmp_path, schedule_time="30 2 * * *")
    clock = mariadb[CLOCK]["spec"]
    pod = clock["jobTemplate"]["spec"]["template"]["spec"]
    assert (clock["schedule"], clock["concurrencyPolicy"], clock["suspend"]) == ("30 2 * * *", "Forbid", False)
    assert {next(iter(v.keys() - {"name"})) for v in pod["volumes"]} == {"projected", "emptyDir"}
    assert "mariadb-admin" not in str(mariadb[KEEPER]) + str(mariadb[CLOCK])


def test_a_large_cloud_may_take_longer(tmp_path: Path) -> None:
    mariadb = built(MARIADB, tmp_path, size="medium", features=features())
    assert mariadb[CLOCK]["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 14400


def test_what_the_deployment_says_reaches_the_program(tmp_path: Path) -> None:
    said = environment(
        database(tmp_path, backup_type="full", full_backup_cycle=3600, backups_to_keep=4, archive={"interval": 15})
    )
    wanted = {"BACKUP_TYPE": "full", "BACKUP_CYCLE": "3600", "BACKUPS_TO_KEEP": "4", "ARCHIVE_SECONDS": "15"}
    assert wanted.items() <= said.items()
    assert said["MARIADB_PEERS"].count("mariadb-server-") == 3


def test_the_program_is_given_nothing_that_it_does_not_read_and_all_that_it_needs(tmp_path: Path) -> None:
    sys.path.insert(0, str(PROGRAMS))
    config_of = importlib.import_module("mariadb_backup").Config.read
    said = environment(database(tmp_path, **VARIANTS["remote"], encryption={"enabled": True}))
    config = config_of({name: value for name, value in said.items() if isinstance(value, str)})
    assert (config.remote, config.incremental, config.keep) == ("remote:cloud-one/databases", True, 10)
    assert str(config.key) == "/etc/mysql/secrets/mariadb-backup/key"
    assert config.memory == 256 * 2**20


def test_a_remote_is_reached_with_secrets_that_stay_in_the_cluster_and_by_one_pod_alone(
    cloud_with: Callable[..., list[Output]],
) -> None:
    index = Index(cloud_with(**VARIANTS["remote"]))
    (keeper,) = (w for w in index.workloads if w.output.path == f"mariadb/{KEEPER}")
    rclone = next(c.body for c in keeper.containers if c.body["name"] == "rclone")
    env = {e["name"]: e.get("value") or e["valueFrom"]["secretKeyRef"] for e in rclone["env"]}
    assert env["RCLONE_CONFIG_REMOTE_TYPE"] == "s3"
    assert env["RCLONE_CONFIG_REMOTE_SECRET_ACCESS_KEY"] == {"name": "remote-backup", "key": "secret"}
    (policy,) = (o for o in index.of_kind("NetworkPolicy") if o.name == "mariadb-backup-remote")
    assert policy.body["spec"]["podSelector"]["matchLabels"] == {"application": "mariadb", "component": "backups"}
    assert policy.body["spec"]["egress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}]}]


def workload(index: Index, path: str) -> Workload:
    return next(w for w in index.workloads if w.output.path == path)


def test_policies_let_the_backups_be_made_and_fetched_by_the_database_alone(cloud_with: Callable[..., list[Output]]) -> None:
    index = Index(cloud_with())
    policies = Policies(index)
    servers, keeper, clock, client = (
        workload(index, path)
        for path in (
            "mariadb/StatefulSet/mariadb-server",
            f"mariadb/{KEEPER}",
            f"mariadb/{CLOCK}",
            "cinder/Deployment/cinder-api",
        )
    )
    assert all(policies.allow(*edge) for edge in ((keeper, servers, 8081), (servers, keeper, 8081), (clock, keeper, 8081)))
    assert not any(policies.allow(client, keeper, port) for port in (8080, 8081))


def test_a_directory_of_a_node_is_used_on_that_node_alone(tmp_path: Path) -> None:
    pod = database(tmp_path, **VARIANTS["hostpath"]).pod(KEEPER)
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == ["control-1"]
    assert pod["initContainers"][-1]["command"] == ["chown", "999:999", "/backup"]


def test_only_the_database_reads_the_key(tmp_path: Path) -> None:
    mariadb = database(tmp_path, encryption={"enabled": True})
    assert {c.name: c.readers for c in mariadb.context.credentials}["mariadb-backup"] == {"mariadb"}


def test_the_job_of_a_restore_may_give_one_order_and_nothing_else(tmp_path: Path) -> None:
    mariadb = database(tmp_path)
    account, role, binding, job = mariadb_backup.restore_objects(mariadb.context, ["mariadb-server-0"], "latest")
    (rule,) = role["rules"]
    assert (rule["resources"], rule["resourceNames"], rule["verbs"]) == (["configmaps"], ["mariadb-state"], ["get", "patch"])
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == account["metadata"]["name"] == binding["subjects"][0]["name"]
    assert pod["containers"][0]["command"][-1] == "latest"
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")


@pytest.mark.parametrize("program", ["mariadb_backup.py", "mariadb_backup_ask.py", "mariadb_restore.py"])
def test_programs_that_are_not_in_the_image_of_the_database_need_the_standard_library_alone(tmp_path: Path, program: str) -> None:
    files = {file.key: file.text for file in database(tmp_path).context.program(program)}
    assert ("import pymysql" in "".join(files.values())) == (program == "mariadb_backup.py")


def test_the_options_of_its_page_are_taken(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "backup.md").read_text()
    first, remote = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    spec = yaml.safe_load(first)["spec"]
    spec["features"]["database"]["backup"] |= yaml.safe_load(textwrap.dedent(remote))
    assert "BACKUP_REMOTE" in environment(built(MARIADB, tmp_path, **spec))
