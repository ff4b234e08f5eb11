from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from keystoneauth1 import exceptions

from tests.real.keystone import KeystoneServer
from tests.real.programs.running import Programs

pytestmark = pytest.mark.real

FEDERATION = "/OS-FEDERATION"
RULE = {"local": [{"user": {"name": "{0}"}}, {"group": {"id": "g"}}], "remote": [{"type": "HTTP_OIDC_SUB"}]}
OTHER_RULE = {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "HTTP_OIDC_EMAIL"}]}


def provider(name: str, **changes: Any) -> dict[str, Any]:
    described = {"name": name, "description": "Single sign-on", "enabled": True, "protocol": "openid", "mapping": [RULE]}
    return described | {"remote_ids": [f"https://{name}.example.org/b", f"https://{name}.example.org/a"]} | changes


@pytest.fixture(autouse=True)
def nobody_else(keystone: KeystoneServer) -> Iterator[None]:
    yield
    for found in keystone.api().get(f"{FEDERATION}/identity_providers").json()["identity_providers"]:
        keystone.api().delete(f"{FEDERATION}/identity_providers/{found['id']}")


def settle(keystone: KeystoneServer, programs: Programs, *providers: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path = programs.directory / "federation.json"
    path.write_text(json.dumps({"providers": providers}))
    return programs.run("federation", str(path), env=keystone.admin, python=keystone.python)


def shown(keystone: KeystoneServer, name: str) -> dict[str, Any]:
    found: dict[str, Any] = keystone.api().get(f"{FEDERATION}/identity_providers/{name}").json()["identity_provider"]
    return {**found, "remote_ids": sorted(found["remote_ids"])}


def protocols(keystone: KeystoneServer, name: str) -> dict[str, str]:
    found = keystone.api().get(f"{FEDERATION}/identity_providers/{name}/protocols").json()["protocols"]
    return {protocol["id"]: protocol["mapping_id"] for protocol in found}


def test_a_provider_is_made_with_its_mapping_and_its_protocol(keystone: KeystoneServer, programs: Programs) -> None:
    result = settle(keystone, programs, provider("one"))
    assert result.returncode == 0, result.stdout
    found = shown(keystone, "one")
    assert (found["enabled"], found["description"]) == (True, "Single sign-on")
    assert found["remote_ids"] == ["https://one.example.org/a", "https://one.example.org/b"]
    assert protocols(keystone, "one") == {"openid": "one-openid"}
    assert keystone.api().get(f"{FEDERATION}/mappings/one-openid").json()["mapping"]["rules"] == [RULE]


def test_running_again_changes_nothing(keystone: KeystoneServer, programs: Programs) -> None:
    settle(keystone, programs, provider("two"))
    result = settle(keystone, programs, provider("two"))
    assert (result.returncode, result.stdout) == (0, f"the federation is what {programs.directory}/federation.json describes\n")


def test_what_differs_is_changed_in_place(keystone: KeystoneServer, programs: Programs) -> None:
    settle(keystone, programs, provider("three"))
    domain = shown(keystone, "three")["domain_id"]
    result = settle(keystone, programs, provider("three", remote_ids=["https://new"], description="New", mapping=[OTHER_RULE]))
    assert result.stdout.splitlines()[:2] == [
        "updated mapping three-openid: rules",
        "updated identity_provider three: description, remote_ids",
    ]
    found = shown(keystone, "three")
    assert (found["domain_id"], found["remote_ids"], found["description"]) == (domain, ["https://new"], "New")


def test_another_protocol_replaces_the_one_before(keystone: KeystoneServer, programs: Programs) -> None:
    settle(keystone, programs, provider("four"))
    result = settle(keystone, programs, provider("four", protocol="mapped"))
    assert "removed protocol openid of identity provider four" in result.stdout
    assert protocols(keystone, "four") == {"mapped": "four-mapped"}


def test_a_provider_that_is_not_named_is_disabled_and_its_remote_ids_are_free(
    keystone: KeystoneServer, programs: Programs
) -> None:
    settle(keystone, programs, provider("five"))
    heir = provider("six", remote_ids=provider("five")["remote_ids"])
    result = settle(keystone, programs, heir)
    assert (result.returncode, "disabled identity provider five" in result.stdout) == (0, True)
    assert (shown(keystone, "five")["enabled"], shown(keystone, "five")["remote_ids"]) == (False, [])
    assert shown(keystone, "six")["remote_ids"] == sorted(heir["remote_ids"])
    assert "five" not in settle(keystone, programs, heir).stdout


def test_a_provider_that_comes_back_is_enabled_again(keystone: KeystoneServer, programs: Programs) -> None:
    settle(keystone, programs, provider("seven"))
    settle(keystone, programs)
    settle(keystone, programs, provider("seven"))
    assert (shown(keystone, "seven")["enabled"], len(shown(keystone, "seven")["remote_ids"])) == (True, 2)


def test_a_mapping_that_keystone_refuses_is_one_sentence(keystone: KeystoneServer, programs: Programs) -> None:
    result = settle(keystone, programs, provider("eight", mapping=[{"local": []}]))
    assert result.returncode == 1
    assert result.stdout.startswith("failed: PUT /v3/OS-FEDERATION/mappings/eight-openid: ")
    with pytest.raises(exceptions.NotFound):
        shown(keystone, "eight")


def test_the_users_of_a_provider_live_in_a_domain_of_its_name(keystone: KeystoneServer, programs: Programs) -> None:
    settle(keystone, programs, provider("nine"))
    domain = keystone.api().get(f"/domains/{shown(keystone, 'nine')['domain_id']}").json()["domain"]
    assert domain["name"] == "nine"
