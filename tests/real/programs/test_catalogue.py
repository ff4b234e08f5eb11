from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from keystoneauth1 import exceptions

from tests.real.keystone import KeystoneServer
from tests.real.programs.running import Programs

pytestmark = pytest.mark.real

INTERFACES = ("internal", "public", "admin")


def document(name: str, **changes: Any) -> dict[str, Any]:
    """A service, its user and a role of its own, under a name that no other test has."""
    urls = {interface: f"http://{name}.{interface}:9292" for interface in INTERFACES}
    service = {"name": name, "type": f"{name}-type", "description": "A service", "endpoints": urls}
    user = {
        "name": name,
        "password_env": "PASSWORD",
        "domain": "service",
        "project": "service",
        "roles": ["service", f"{name}-role"],
    }
    return {"region": "RegionTwo", "services": [service], "roles": [f"{name}-admin"], "users": [user], **changes}


def register(
    keystone: KeystoneServer, programs: Programs, wanted: dict[str, Any], **env: str
) -> subprocess.CompletedProcess[str]:
    path = programs.directory / "catalogue.json"
    path.write_text(json.dumps(wanted))
    env = {**keystone.admin, "PASSWORD": "first", **env}
    return programs.run("catalogue", str(path), env=env, python=keystone.python)


def endpoints(keystone: KeystoneServer, service_type: str) -> dict[tuple[str, str], str]:
    api = keystone.api()
    services = api.get(f"/services?type={service_type}").json()["services"]
    found = [e for s in services for e in api.get(f"/endpoints?service_id={s['id']}").json()["endpoints"]]
    assert len(services) == 1
    return {(e["region_id"], e["interface"]): e["url"] for e in found}


def roles_of(keystone: KeystoneServer, user: str) -> list[str]:
    api = keystone.api(user, "first", "service", "service")
    token = api.get("/auth/tokens", headers={"X-Subject-Token": str(api.get_token())}).json()["token"]
    return sorted(role["name"] for role in token["roles"])


def test_a_service_its_user_and_its_roles_are_registered(keystone: KeystoneServer, programs: Programs) -> None:
    result = register(keystone, programs, document("one"))
    assert result.returncode == 0, result.stdout
    assert endpoints(keystone, "one-type") == {("RegionTwo", i): f"http://one.{i}:9292" for i in INTERFACES}
    assert keystone.api().get("/roles?name=one-admin").json()["roles"]
    assert roles_of(keystone, "one") == ["one-role", "service"]
    assert "first" not in result.stdout


def test_running_again_changes_nothing_and_keeps_the_users_tokens(keystone: KeystoneServer, programs: Programs) -> None:
    assert register(keystone, programs, document("two")).returncode == 0
    as_user = keystone.api("two", "first", "service", "service")
    token = as_user.get_token()
    result = register(keystone, programs, document("two"))
    assert (result.returncode, result.stdout) == (0, f"the catalogue holds what {programs.directory}/catalogue.json lists\n")
    keystone.api().get("/auth/tokens", headers={"X-Subject-Token": token})


def test_a_changed_url_keeps_the_endpoints_id(keystone: KeystoneServer, programs: Programs) -> None:
    register(keystone, programs, document("three"))
    service = keystone.api().get("/services?type=three-type").json()["services"][0]
    before = {e["interface"]: e["id"] for e in keystone.api().get(f"/endpoints?service_id={service['id']}").json()["endpoints"]}
    wanted = document("three")
    wanted["services"][0]["endpoints"]["public"] = "https://three.example.org"
    result = register(keystone, programs, wanted)
    after = {e["interface"]: e["id"] for e in keystone.api().get(f"/endpoints?service_id={service['id']}").json()["endpoints"]}
    assert "updated endpoint public endpoint of three: url" in result.stdout
    assert after == before
    assert endpoints(keystone, "three-type")["RegionTwo", "public"] == "https://three.example.org"


def test_doubles_and_what_is_no_longer_wanted_are_removed(keystone: KeystoneServer, programs: Programs) -> None:
    register(keystone, programs, document("four"))
    api = keystone.api()
    service = api.get("/services?type=four-type").json()["services"][0]
    double = {"service_id": service["id"], "interface": "public", "region_id": "RegionTwo", "url": "http://stale"}
    api.post("/endpoints", json={"endpoint": double})
    api.post("/services", json={"service": {"type": "four-type", "name": "four"}})
    wanted = document("four")
    del wanted["services"][0]["endpoints"]["admin"]
    result = register(keystone, programs, wanted)
    assert result.returncode == 0, result.stdout
    assert endpoints(keystone, "four-type") == {("RegionTwo", i): f"http://four.{i}:9292" for i in ("internal", "public")}


def test_endpoints_of_another_region_are_left_alone(keystone: KeystoneServer, programs: Programs) -> None:
    register(keystone, programs, document("five"))
    register(keystone, programs, document("five", region="RegionThree"))
    assert {region for region, _ in endpoints(keystone, "five-type")} == {"RegionTwo", "RegionThree"}


def test_a_rotated_password_takes_effect(keystone: KeystoneServer, programs: Programs) -> None:
    register(keystone, programs, document("six"))
    result = register(keystone, programs, document("six"), PASSWORD="second")
    assert (result.returncode, "set the password of user six" in result.stdout) == (0, True)
    assert keystone.api("six", "second", "service", "service").get_token()


def test_accounts_of_before_are_removed_and_the_one_before_the_last_stays(keystone: KeystoneServer, programs: Programs) -> None:
    wanted = document("rotated")
    users = [{**wanted["users"][0], "name": name} for name in ("rotated", "rotated-2", "rotated-3")]
    register(keystone, programs, {**wanted, "users": users})
    retired = [{"name": name, "domain": "service"} for name in ("rotated", "never-there")]
    result = register(keystone, programs, {**wanted, "users": users[2:], "retired_users": retired})
    assert (result.returncode, "removed user rotated\n" in result.stdout) == (0, True)
    (domain,) = keystone.api().get("/domains?name=service").json()["domains"]
    names = {user["name"] for user in keystone.api().get(f"/users?domain_id={domain['id']}").json()["users"]}
    assert {name for name in names if name.startswith("rotated")} == {"rotated-2", "rotated-3"}


def test_nobody_can_lock_a_service_out_by_guessing(keystone: KeystoneServer, programs: Programs) -> None:
    register(keystone, programs, document("twelve"))
    for _ in range(4):  # more often than this Keystone allows
        with pytest.raises(exceptions.Unauthorized):
            keystone.api("twelve", "wrong", "service", "service").get_token()
    assert keystone.api("twelve", "first", "service", "service").get_token()


def test_a_disabled_user_is_enabled_again(keystone: KeystoneServer, programs: Programs) -> None:
    register(keystone, programs, document("seven"))
    domain = keystone.api().get("/domains?name=service").json()["domains"][0]
    user = keystone.api().get(f"/users?name=seven&domain_id={domain['id']}").json()["users"][0]
    keystone.api().patch(f"/users/{user['id']}", json={"user": {"enabled": False, "options": {"ignore_password_expiry": None}}})
    result = register(keystone, programs, document("seven"))
    assert "updated user seven: enabled, options" in result.stdout
    assert keystone.api("seven", "first", "service", "service").get_token()


def test_a_role_that_is_no_longer_wanted_is_withdrawn(keystone: KeystoneServer, programs: Programs) -> None:
    register(keystone, programs, document("eight"))
    wanted = document("eight")
    wanted["users"][0]["roles"] = ["service"]
    assert "withdrew role" in register(keystone, programs, wanted).stdout
    assert roles_of(keystone, "eight") == ["service"]


def test_a_user_without_a_project_holds_its_roles_on_the_domain(keystone: KeystoneServer, programs: Programs) -> None:
    user = {"name": "nine", "password_env": "PASSWORD", "domain": "nine", "project": None, "roles": ["admin"]}
    wanted = {"region": "RegionTwo", "users": [user]}
    result = register(keystone, programs, wanted)
    assert "granted admin to user nine on domain nine" in result.stdout
    assert register(keystone, programs, wanted).stdout.count("\n") == 1


def test_an_account_that_keystone_does_not_let_in_is_one_sentence(keystone: KeystoneServer, programs: Programs) -> None:
    result = register(keystone, programs, document("ten"), OS_USERNAME="nobody")
    assert result.returncode == 1
    assert result.stdout.startswith("failed: Keystone does not let nobody in: ")
    assert result.stdout.count("\n") == 1


def test_what_keystone_refuses_is_one_sentence(keystone: KeystoneServer, programs: Programs) -> None:
    wanted = document("eleven")
    wanted["services"][0]["endpoints"]["public"] = "no url at all"
    result = register(keystone, programs, wanted)
    assert result.returncode == 1
    assert "failed: POST /v3/endpoints: Invalid input" in result.stdout
