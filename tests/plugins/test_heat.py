from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]


class TestContract(ServiceContract):
    service = "heat"


def cloud(features: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small cloud of identity and orchestration alone, with what differs."""
    data = patched(USUAL, {"spec": {"size": "small", "features": {"services": ["identity", "orchestration"]}}})
    return patched(data, {"spec": {**spec, "features": features or {}}})


def heat(output: Iterable[Output]) -> dict[str, dict[str, Any]]:
    """Its objects by kind and name, a Job without its hash."""
    return {f"{o.kind}/{o.labels.get('stackloom.io/job', o.name)}": o.body for o in output if o.component == "heat"}


def container(body: dict[str, Any]) -> dict[str, Any]:
    main: dict[str, Any] = body["spec"].get("jobTemplate", body)["spec"]["template"]["spec"]["containers"][0]
    return main


def env(body: dict[str, Any]) -> dict[str, str]:
    """The main container's variables, those from Secrets as ``<Secret>/<key>``."""
    found = {}
    for variable in container(body).get("env", ()):
        ref = variable.get("valueFrom", {}).get("secretKeyRef")
        found[variable["name"]] = f"{ref['name']}/{ref['key']}" if ref else variable["value"]
    return found


def items(volumes: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The files that come from ConfigMaps."""
    sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", ())]
    return [item for source in sources for item in source.get("configMap", {}).get("items", ())]


def etc(output: Iterable[Output]) -> dict[str, str]:
    data: dict[str, str] = heat(output)["ConfigMap/heat-etc"]["data"]
    return data


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "heat")


def test_keystone_holds_a_domain_for_the_users_of_stacks_and_an_account_for_each_work(manifests: Manifests):
    wanted = json.loads(etc(manifests(cloud()))["catalogue.json"])
    users = {user["name"]: (user["domain"], user.get("project"), user["roles"]) for user in wanted["users"]}
    assert wanted["roles"] == ["heat_stack_user"]
    assert users == {
        "heat": ("service", "service", ["service"]),
        "heat-trustee": ("service", None, []),
        "heat-domain-admin": ("heat", None, ["admin"]),
    }


def test_the_catalogue_has_both_apis(manifests: Manifests):
    wanted = json.loads(etc(manifests(cloud()))["catalogue.json"])
    public = {service["type"]: service["endpoints"]["public"].partition("/v1")[1:] for service in wanted["services"]}
    assert public == {"orchestration": ("/v1", "/%(project_id)s"), "cloudformation": ("/v1", "")}


def test_the_passwords_of_the_engine_are_the_engines(manifests: Manifests):
    found = heat(manifests(cloud()))
    names = {"OS_TRUSTEE__PASSWORD", "OS_DEFAULT__STACK_DOMAIN_ADMIN_PASSWORD", "OS_DEFAULT__AUTH_ENCRYPTION_KEY"}
    running = [path for path in found if path.startswith(("Deployment", "Job", "CronJob"))]
    assert {path for path in running if names & env(found[path]).keys()} == {"Deployment/heat-engine"}


@pytest.mark.parametrize("api", ["heat-api", "heat-cfn"])
def test_the_apis_have_no_password_of_the_database(manifests: Manifests, api: str):
    found = env(heat(manifests(cloud()))[f"Deployment/{api}"])
    assert not {"DB_PASSWORD", "OS_DATABASE__CONNECTION"} & found.keys()
    assert "OS_DEFAULT__TRANSPORT_URL" in found


def test_signatures_of_servers_are_checked_by_an_account_that_keystone_answers(manifests: Manifests):
    found = manifests(cloud())
    section = etc(found)["heat.conf"].partition("[ec2authtoken]\n")[2].partition("\n[")[0]
    assert "auth_type = password\n" in section
    assert "endpoint_override = http://keystone-api.openstack.svc.cluster.local:5000\n" in section
    assert env(heat(found)["Deployment/heat-cfn"])["OS_EC2AUTHTOKEN__PASSWORD"] == "heat-service-user/password"


def test_the_engine_calls_inside_and_tells_servers_the_public_addresses(manifests: Manifests):
    conf = etc(manifests(cloud()))["heat.conf"]
    assert "server_keystone_endpoint_type = public\n" in conf
    assert "[clients]\nendpoint_type = internalURL\n" in conf
    assert "[clients_heat]\nendpoint_type = publicURL\n" in conf
    assert "[clients_keystone]\nauth_uri = http://keystone-api.openstack.svc.cluster.local:5000\n" in conf


def test_a_trustee_keeps_its_name_because_trusts_name_it(manifests: Manifests):
    third = manifests(cloud(credentials={"rotation": {"heat": 3}}))
    wanted = json.loads(etc(third)["catalogue.json"])
    assert {user["name"] for user in wanted["users"]} == {"heat-3", "heat-trustee", "heat-domain-admin-3"}
    assert {user["name"]: user["domain"] for user in wanted["retired_users"]} == {"heat": "service", "heat-domain-admin": "heat"}
    assert env(heat(third)["Deployment/heat-engine"])["OS_TRUSTEE__PASSWORD"] == "heat-trustee-user-3/password"
    assert "username = heat-trustee\n" in etc(third)["heat.conf"]


def test_the_engine_starts_with_the_names_of_before(manifests: Manifests):
    found = manifests(cloud())
    assert '"OS::Quantum*": "OS::Neutron*"' in etc(found)["environment.yaml"]
    volumes = heat(found)["Deployment/heat-engine"]["spec"]["template"]["spec"]["volumes"]
    assert {"key": "environment.yaml", "path": "environment.d/default.yaml"} in items(volumes)


@pytest.mark.parametrize(("size", "engines", "workers"), [("single", 1, 4), ("tiny", 3, 1), ("small", 3, 6), ("medium", 15, 6)])
def test_engines_grow_with_the_size(manifests: Manifests, size: str, engines: int, workers: int):
    found = manifests(cloud(size=size))
    assert heat(found)["Deployment/heat-engine"]["spec"]["replicas"] == engines
    assert f"num_engine_workers = {workers}\n" in etc(found)["heat.conf"]


def test_deleted_stacks_go_after_their_time(manifests: Manifests):
    kept = {"database": {"cleanup": {"heat": {"age": 7, "batch": 50}}}}
    command = container(heat(manifests(cloud(kept)))["CronJob/heat-db-purge"])["command"]
    assert command == ["heat-manage", "purge_deleted", "--granularity", "days", "--batch_size", "50", "7"]


def test_calls_are_audited_where_that_is_wanted(manifests: Manifests):
    wanted = ({"logging": {"cadf": {"enabled": enabled}}} for enabled in (False, True))
    plain, audited = (etc(manifests(cloud(features)))["api-paste.ini"] for features in wanted)
    assert "authtoken context apiv1app\n" in plain
    assert "authtoken audit context apiv1app\n" in audited
