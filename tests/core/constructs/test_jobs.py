from __future__ import annotations

import json
from typing import Any

import pytest

from stackloom import Cleanup, Database, Endpoint, StackloomError
from tests.core.constructs.conftest import GLANCE, Build

CLEANUP = {"cleanup": Cleanup(schedule="1 0 * * *")}


def task(ctx, **more):
    return ctx.task("reindex", **{"command": ["glance-reindex"], **more})


def migrate(ctx):
    return ctx.migrate_database(["glance-manage", "expand"], ["glance-manage", "migrate"], config=[])


def test_a_task_is_a_job_that_is_awaited_by_its_name_without_the_hash(build_service: Build):
    tasks = []
    built = build_service(lambda ctx: tasks.append(task(ctx)))
    assert tasks[0].awaited.jobs == ("glance-reindex",)
    assert built["Job/glance-reindex"]["metadata"]["name"] != "glance-reindex"


def test_a_task_with_a_schedule_is_a_cron_job_that_nobody_waits_for(build_service: Build):
    tasks = []
    built = build_service(lambda ctx: tasks.append(task(ctx, schedule="5 * * * *", suspend=True)))
    assert not tasks[0].awaited
    spec = built["CronJob/glance-reindex"]["spec"]
    assert (spec["schedule"], spec["suspend"]) == ("5 * * * *", True)


@pytest.mark.parametrize(("once", "policy", "tries"), [(True, "Never", 0), (False, "OnFailure", 100)])
def test_a_task_is_tried_again_unless_its_failure_is_its_result(build_service: Build, once: bool, policy: str, tries: int):
    spec = build_service(lambda ctx: task(ctx, once=once))["Job/glance-reindex"]["spec"]
    assert (spec["template"]["spec"]["restartPolicy"], spec["backoffLimit"]) == (policy, tries)


@pytest.mark.parametrize("schedule", ["", "@daily"])
def test_a_task_has_failed_after_its_time(build_service: Build, schedule: str):
    built = build_service(lambda ctx: task(ctx, deadline_seconds=90, schedule=schedule))
    spec = built["CronJob/glance-reindex"]["spec"]["jobTemplate"]["spec"] if schedule else built["Job/glance-reindex"]["spec"]
    assert spec["activeDeadlineSeconds"] == 90


def test_a_change_of_a_tasks_configuration_makes_another_job(build_service: Build):
    def name(level: int) -> str:
        built = build_service(lambda ctx: task(ctx, config=ctx.oslo_config("glance-api.conf", {"DEFAULT": {"level": level}})))
        return str(built["Job/glance-reindex"]["metadata"]["name"])

    assert name(1) == name(1) != name(2)


def test_another_release_makes_another_job_which_gates_of_that_release_wait_for(build_service: Build):
    old, new = (build_service(task, spec={"openstack_version": v})["Job/glance-reindex"] for v in ("flamingo", "gazpacho"))
    assert old["metadata"]["name"] != new["metadata"]["name"]
    assert new["metadata"]["labels"]["stackloom.io/release"] == "gazpacho"


def test_commands_that_come_first_run_one_by_one_in_the_same_pod(build_service: Build):
    built = build_service(lambda ctx: task(ctx, before=[["first"], ["second"]]))
    steps = [(c["name"], c["command"]) for c in built.pod("Job/glance-reindex")["initContainers"]]
    assert steps[1:] == [("step-1", ["first"]), ("step-2", ["second"])]


def test_a_task_brings_the_credentials_of_the_service_unless_it_needs_none(build_service: Build):
    assert "DB_PASSWORD" in build_service(task).env("Job/glance-reindex")
    assert build_service(lambda ctx: task(ctx, credentials=False, env={"A": "1"})).env("Job/glance-reindex") == {"A": "1"}


def test_only_a_task_with_an_account_of_its_own_has_a_token(build_service: Build):
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    built = build_service(lambda ctx: task(ctx, account=ctx.account(rules, "glance-rotate")))
    pod = built.pod("Job/glance-reindex")
    assert pod["serviceAccountName"] == "glance-rotate"
    assert "kubernetes-api" in str(pod["containers"][0]["volumeMounts"])
    assert {"ServiceAccount/glance-rotate", "Role/glance-rotate", "RoleBinding/glance-rotate"} <= built.names
    plain = build_service(task).pod("Job/glance-reindex")
    assert (plain["serviceAccountName"], "kubernetes-api" in str(plain["containers"])) == ("glance", False)


@pytest.mark.parametrize(("kind", "label"), [("", "reindex"), ("catalogue", "catalogue")])
def test_the_label_that_admits_a_task_to_a_credential_is_its_name_or_its_kind(build_service: Build, kind: str, label: str):
    body = build_service(lambda ctx: task(ctx, kind=kind))["Job/glance-reindex"]
    assert body["spec"]["template"]["metadata"]["labels"]["stackloom.io/task"] == label


def test_a_migration_runs_its_steps_in_order_once_the_database_is_made(build_service: Build):
    built = build_service(migrate)
    pod = built.pod("Job/glance-db-sync")
    assert [c["command"][-1] for c in (*pod["initContainers"][1:], *pod["containers"])] == ["expand", "migrate"]
    assert built.waits_for("Job/glance-db-sync")["GATE_JOBS"] == "glance-create-glance"


def test_each_database_is_made_by_a_task_that_may_use_the_administrator(build_service: Build):
    built = build_service(migrate, service={"databases": (Database("glance"), Database("glance_cell0", group="cell_database"))})
    env = built.env("Job/glance-create-glance-cell0")
    assert env["DB_NAME"] == "glance_cell0"
    assert env["DB_ADMIN_PASSWORD"] == "mariadb-admin/password"
    assert env["DB_PASSWORD"] == "glance-glance-cell0-database/password"
    assert built.waits_for("Job/glance-db-sync")["GATE_JOBS"] == "glance-create-glance,glance-create-glance-cell0"
    assert built["Job/glance-create-glance"]["metadata"]["labels"]["stackloom.io/task"] == "database"


ZONES = Database("zones", group="", reader="zones_reader")


def test_a_database_has_a_second_user_who_may_only_read_it(build_service: Build):
    built = build_service(migrate, service={"databases": (Database("glance"), ZONES)})
    env = built.env("Job/glance-create-zones")
    assert (env["DB_PASSWORD"], env["DB_READER_PASSWORD"]) == (
        "glance-zones-database/password",
        "glance-zones-reader-database/password",
    )
    assert "DB_READER_USER" not in built.env("Job/glance-create-glance")


def test_both_users_of_a_database_turn_with_the_services_passwords(build_service: Build):
    rotated = {"credentials": {"rotation": {"glance": 3}}}
    built = build_service(migrate, service={"databases": (ZONES,)}, spec=rotated)
    env = built.env("Job/glance-create-zones-3")
    assert env["DB_READER_USER"] == "glance-zones-reader-database-3/username"
    assert env["DB_RETIRED_USERS"] == "zones,zones_reader"


def test_a_database_without_a_group_is_told_by_the_services_own_files(build_service: Build):
    built = build_service(migrate, service={"databases": (Database("glance"), ZONES)})
    assert not [name for name in built.context.service_env() if "ZONES" in name]
    login = built.context.database_login("zones", reads=True)
    assert (login.username.secret, login.password.key) == ("glance-zones-reader-database", "password")


def test_a_database_that_nobody_only_reads_has_no_login_for_it(build_service: Build):
    built = build_service(migrate)
    with pytest.raises(StackloomError, match="no database 'glance' with a reader"):
        built.context.database_login("glance", reads=True)


def catalogue(build_service: Build, **more: Any) -> dict[str, Any]:
    built = build_service(lambda ctx: ctx.register_in_catalogue(), **more)
    found: dict[str, Any] = json.loads(built.context.config_files["catalogue.json"].text)
    return found


def test_the_catalogue_gets_the_service_its_endpoints_and_its_account(build_service: Build):
    wanted = catalogue(build_service, spec={"region_name": "north"})
    (service,), (user,) = wanted["services"], wanted["users"]
    assert (wanted["region"], service["type"], service["name"]) == ("north", "image", "glance")
    assert service["endpoints"] == {
        "internal": "http://glance-api.openstack.svc.cluster.local:9292",
        "admin": "http://glance-api.openstack.svc.cluster.local:9292",
        "public": "https://glance.cloud.example.org",
    }
    assert (user["name"], user["project"], user["roles"]) == ("glance", "service", ["admin", "service"])


def test_endpoints_without_a_type_stay_out_of_the_catalogue(build_service: Build):
    more = (*GLANCE.endpoints, Endpoint(service="glance-metadata", port=8775, name="metadata"))
    assert len(catalogue(build_service, service={"endpoints": more})["services"]) == 1


def test_a_service_without_an_account_registers_none(build_service: Build):
    built = build_service(lambda ctx: ctx.register_in_catalogue(), service={"user": None})
    assert json.loads(built.context.config_files["catalogue.json"].text)["users"] == []
    assert "SERVICE_PASSWORD" not in built.env("Job/glance-catalogue")


def test_the_registration_is_made_by_the_clouds_admin_and_waits_for_keystone_alone(build_service: Build):
    built = build_service(lambda ctx: ctx.register_in_catalogue())
    assert built.env("Job/glance-catalogue")["OS_PASSWORD"] == "keystone-admin/password"
    assert built.waits_for("Job/glance-catalogue")["GATE_SERVICES"] == "keystone-api"


def test_a_database_is_cleaned_when_its_schedule_says_so(build_service: Build):
    chosen = {"features": {"database": {"cleanup": {"glance": {"schedule": "9 9 * * *"}}}}}
    built = build_service(lambda ctx: ctx.clean_database(["purge"], config=[]), service=CLEANUP, spec=chosen)
    assert built["CronJob/glance-db-purge"]["spec"]["schedule"] == "9 9 * * *"


def test_a_clean_up_that_is_off_makes_nothing(build_service: Build):
    off = {"features": {"database": {"cleanup": {"glance": {"enabled": False}}}}}
    made = []
    built = build_service(lambda ctx: made.append(ctx.clean_database(["purge"], config=[])), service=CLEANUP, spec=off)
    assert made == [None]
    assert built.names == set()
