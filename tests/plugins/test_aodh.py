from __future__ import annotations

import json
from typing import Any

import pytest

from stackloom.testing.suite import ServiceContract
from tests.plugins.compute import Made, Manifests, Snapshots, env_of
from tests.plugins.telemetry import TELEMETRY, cloud

NOTIFIER = "Deployment/aodh-notifier"
CALL_PUBLIC_ADDRESSES = pytest.mark.parametrize("role", ["api", "notifier"])


class TestContract(ServiceContract):
    service = "aodh"
    spec = TELEMETRY


def aodh(manifests: Manifests, features: dict[str, Any] | None = None, **spec: Any) -> Made:
    return Made(manifests(cloud(features, **spec)), "aodh")


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "aodh")


def test_users_are_answered_by_one_account_and_acted_for_by_another(manifests: Manifests):
    made = aodh(manifests)
    users = {user["name"]: user["roles"] for user in json.loads(made.file("catalogue.json"))["users"]}
    assert users == {"aodh": ["service"], "aodh-trustee": ["admin"]}
    conf = made.conf("aodh.conf")
    assert (conf["keystone_authtoken"]["username"], conf["service_credentials"]["username"]) == ("aodh", "aodh-trustee")
    assert conf["service_credentials"]["interface"] == "internal"


def test_the_account_that_trusts_name_keeps_its_name(manifests: Manifests):
    made = aodh(manifests, credentials={"rotation": {"aodh": 3}})
    assert {user["name"] for user in json.loads(made.file("catalogue.json"))["users"]} == {"aodh-3", "aodh-trustee"}
    env = env_of(made.container(NOTIFIER, "aodh-notifier"))
    assert env["OS_SERVICE_CREDENTIALS__PASSWORD"] == ("aodh-trustee-user-3", "password")


def test_what_acts_on_alarms_knows_no_database(manifests: Manifests):
    env = env_of(aodh(manifests).container(NOTIFIER, "aodh-notifier"))
    assert not [name for name in env if "DB_" in name or "DATABASE" in name]
    assert "OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL" in env


@CALL_PUBLIC_ADDRESSES
def test_what_calls_public_addresses_trusts_the_clouds_authority_beside_all_others(manifests: Manifests, role: str):
    made = aodh(manifests)
    assert env_of(made.container(f"Deployment/aodh-{role}", f"aodh-{role}"))["REQUESTS_CA_BUNDLE"] == "/run/aodh/trusted.pem"
    step = made.container(f"Deployment/aodh-{role}", "step-1")
    assert step["command"][-1] == 'cat "$(python3 -m certifi)" /etc/aodh/public/ca.crt > /run/aodh/trusted.pem'


@CALL_PUBLIC_ADDRESSES
def test_with_a_certificate_from_an_issuer_it_trusts_whom_everybody_trusts(manifests: Manifests, role: str):
    made = aodh(manifests, {"ssl": {"issuer": {"name": "letsencrypt"}}})
    assert "REQUESTS_CA_BUNDLE" not in env_of(made.container(f"Deployment/aodh-{role}", f"aodh-{role}"))
    assert not [c["name"] for c in made.pod(f"Deployment/aodh-{role}")["initContainers"] if c["name"].startswith("step")]


def test_actions_are_sent_by_the_web_and_to_no_other_port(manifests: Manifests):
    web = [{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}]
    assert {"ports": web} in aodh(manifests).bodies["NetworkPolicy/aodh"]["spec"]["egress"]


def test_evaluators_share_their_work_by_etcd_and_show_that_they_reach_the_database(manifests: Manifests):
    evaluator = aodh(manifests).container("Deployment/aodh-evaluator", "aodh-evaluator")
    assert env_of(evaluator)["OS_COORDINATION__BACKEND_URL"].startswith("etcd3+https://etcd.")
    assert evaluator["readinessProbe"]["exec"]["command"][-2:] == ["ready", "OS_DATABASE__CONNECTION"]


@pytest.mark.parametrize("role", ["listener", "notifier"])
def test_those_that_listen_show_that_they_hear_the_bus_of_notifications(manifests: Manifests, role: str):
    probe = aodh(manifests).container(f"Deployment/aodh-{role}", f"aodh-{role}")["readinessProbe"]
    assert probe["exec"]["command"][-2:] == ["ready", "OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL"]


@pytest.mark.parametrize(("size", "pods"), [("single", 1), ("tiny", 3), ("small", 3), ("medium", 5)])
def test_all_parts_grow_with_the_size(manifests: Manifests, size: str, pods: int):
    made = aodh(manifests, size=size)
    parts = ("api", "evaluator", "listener", "notifier")
    assert {made.bodies[f"Deployment/aodh-{part}"]["spec"]["replicas"] for part in parts} == {pods}


def test_history_goes_after_its_time(manifests: Manifests):
    made = aodh(manifests, {"database": {"cleanup": {"aodh": {"age": 7}}}})
    assert made.conf("aodh.conf")["database"]["alarm_history_time_to_live"] == str(7 * 24 * 3600)
    assert made.container("CronJob/aodh-db-purge", "aodh-db-purge")["command"] == ["aodh-expirer"]


def test_history_stays_where_nothing_is_to_be_cleaned(manifests: Manifests):
    made = aodh(manifests, {"database": {"cleanup": {"aodh": {"enabled": False}}}})
    assert "CronJob/aodh-db-purge" not in made.bodies


def test_calls_are_audited_where_that_is_wanted(manifests: Manifests):
    wanted = ({"logging": {"cadf": {"enabled": enabled}}} for enabled in (False, True))
    plain, audited = (aodh(manifests, features).file("api-paste.ini") for features in wanted)
    assert "authtoken apiapp\n" in plain
    assert "authtoken audit apiapp\n" in audited
    assert "audit_map_file = /etc/aodh/api_audit_map.conf\n" in audited


def test_whoever_writes_measures_owns_them_as_far_as_aodh_knows(manifests: Manifests):
    conf = aodh(manifests).conf("aodh.conf")["api"]
    assert conf == {"gnocchi_external_project_owner": "service", "gnocchi_external_domain_name": "service"}
