"""The passwords of a service in their third generation: what refers to which of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from stackloom import Database, SecretKey, ServiceUser, StackloomError
from stackloom.constructs.access import Login
from stackloom.infra.credentials import service_credentials
from tests.core.constructs.conftest import GLANCE, Build, Built

API = "Deployment/glance-api"
THIRD = {"credentials": {"rotation": {"glance": 3}}}


def build(ctx):
    config = ctx.oslo_config("glance-api.conf", {})
    ctx.register_in_catalogue()
    ctx.api(config=config, wsgi="glance.wsgi.api:application", after=[ctx.migrate_database(["glance-manage", "sync"], config=[])])


@pytest.fixture
def rotated(build_service: Build) -> Built:
    return build_service(build, spec=THIRD)


def test_pods_read_the_current_generation(rotated: Built):
    secrets = {"DB_PASSWORD": "database", "MESSAGING_PASSWORD": "messaging", "OS_KEYSTONE_AUTHTOKEN__PASSWORD": "service-user"}
    assert {name: f"glance-{secret}-3/password" for name, secret in secrets.items()}.items() <= rotated.env(API).items()
    (config,) = (file.text for key, file in rotated.context.config_files.items() if key == "glance-api.conf")
    assert "username = glance-3\n" in config


def test_pods_wait_for_the_account_of_their_generation(rotated: Built):
    assert rotated.waits_for("Job/glance-db-sync")["GATE_JOBS"] == "glance-create-glance-3"


def test_accounts_of_before_the_last_one_are_removed(rotated: Built):
    assert rotated.env("Job/glance-create-glance-3")["DB_RETIRED_USERS"] == "glance"
    wanted = json.loads(rotated.context.config_files["catalogue.json"].text)
    assert [user["name"] for user in wanted["users"]] == ["glance-3"]
    assert wanted["retired_users"] == [{"name": "glance", "domain": "service"}]


def test_the_secrets_of_two_generations_are_there():
    names = {c.name: c.keys["username"].text for c in service_credentials(GLANCE, 3)}
    accounts = {"glance-database": "glance", "glance-messaging": "glance", "glance-service-user": "glance"}
    assert names == {f"{secret}-{g}": f"{user}-{g}" for secret, user in accounts.items() for g in (2, 3)}


def test_a_database_of_anothers_user_has_no_secret_and_no_connection_of_its_own(build_service: Build):
    databases = (Database("glance"), Database("glance_old", user_of="glance"))
    built = build_service(build, service={"databases": databases}, spec=THIRD)
    wanted = {"DB_NAME": "glance_old", "DB_USER": "glance-database-3/username", "DB_RETIRED_USERS": "glance"}
    assert wanted.items() <= built.env("Job/glance-create-glance-old-3").items()
    assert [name for name in built.env(API) if name.endswith("__CONNECTION")] == ["OS_DATABASE__CONNECTION"]
    names = {c.name for c in service_credentials(replace(GLANCE, databases=databases), 1)}
    assert names == {"glance-database", "glance-messaging", "glance-service-user"}


def test_a_connection_reaches_a_service_as_the_option_that_it_has_for_it(build_service: Build):
    databases = (Database("glance", group="indexer", option="url"),)
    env = build_service(build, service={"databases": databases}).env(API)
    assert env["OS_INDEXER__URL"].startswith("mysql+pymysql://$(INDEXER_DB_USER):$(INDEXER_DB_PASSWORD)@mariadb.")
    assert not [name for name in env if name.endswith("__CONNECTION")]


def test_the_first_generation_has_no_number_and_removes_nobody(build_service: Build):
    first = build_service(build)
    assert "DB_RETIRED_USERS" not in first.env("Job/glance-create-glance")
    assert "retired_users" not in json.loads(first.context.config_files["catalogue.json"].text)


MORE: dict[str, Any] = {
    "users": (
        ServiceUser("keeper", roles=(), project=None, lasting=True),
        ServiceUser("head", roles=("admin",), domain="x", project=None),
    ),
    "roles": ("stack_user",),
}


def test_further_accounts_are_made_with_their_domains_and_roles(build_service: Build):
    built = build_service(build, service=MORE)
    wanted = json.loads(built.context.config_files["catalogue.json"].text)
    head = {"name": "head", "password_env": "HEAD_PASSWORD", "domain": "x", "roles": ["admin"]}
    assert wanted["users"][1:] == [{"name": "keeper", "password_env": "KEEPER_PASSWORD", "domain": "service", "roles": []}, head]
    assert wanted["roles"] == ["stack_user"]
    assert built.env("Job/glance-catalogue")["HEAD_PASSWORD"] == "head-user/password"


def test_a_lasting_account_gets_another_password_and_keeps_its_name(build_service: Build):
    built = build_service(build, service=MORE, spec=THIRD)
    wanted = json.loads(built.context.config_files["catalogue.json"].text)
    assert [user["name"] for user in wanted["users"]] == ["glance-3", "keeper", "head-3"]
    assert wanted["retired_users"] == [{"name": "glance", "domain": "service"}, {"name": "head", "domain": "x"}]
    assert built.context.login("keeper") == Login("keeper", SecretKey(secret="keeper-user-3", key="password"))
    secrets = {
        c.name: c.keys["username"].text for c in service_credentials(replace(GLANCE, **MORE), 3) if c.name.startswith("keeper")
    }
    assert secrets == {"keeper-user-2": "keeper", "keeper-user-3": "keeper"}


def test_an_account_that_nobody_declared_is_refused(build_service: Build):
    with pytest.raises(StackloomError, match="the service 'glance' has no account 'keepr'"):
        build_service(lambda ctx: ctx.login("keepr"), service=MORE)
