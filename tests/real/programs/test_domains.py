from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.real.keystone import KeystoneServer
from tests.real.programs.running import Programs

pytestmark = pytest.mark.real


def domain(name: str, **options: Any) -> dict[str, Any]:
    ldap = {"url": "ldap://127.0.0.1:9", "user": "cn=reader", "suffix": "dc=example", **options}
    return {"name": name, "description": "People", "enabled": True, "config": {"identity": {"driver": "ldap"}, "ldap": ldap}}


def settle(
    keystone: KeystoneServer, programs: Programs, *domains: dict[str, Any], **env: str
) -> subprocess.CompletedProcess[str]:
    path = programs.directory / "domains.json"
    path.write_text(json.dumps({"domains": domains}))
    return programs.run("domains", str(path), env={**keystone.admin, **env}, python=keystone.python)


def shown(keystone: KeystoneServer, name: str) -> dict[str, Any]:
    (found,) = keystone.api().get(f"/domains?name={name}").json()["domains"]
    config: dict[str, Any] = keystone.api().get(f"/domains/{found['id']}/config").json()["config"]
    return {"enabled": found["enabled"], **config}


def test_a_domain_is_made_with_its_driver_and_its_password_from_the_environment(
    keystone: KeystoneServer, programs: Programs
) -> None:
    result = settle(keystone, programs, domain("one", password={"env": "ONE"}, use_tls=True), ONE="s3cret")
    assert result.returncode == 0, result.stdout
    assert result.stdout.splitlines() == [
        "created domain one",
        "domain one: set identity.driver, ldap.password, ldap.suffix, ldap.url, ldap.use_tls, ldap.user",
    ]
    config = shown(keystone, "one")
    assert (config["identity"], config["ldap"]["use_tls"], config["ldap"]["url"]) == (
        {"driver": "ldap"},
        True,
        "ldap://127.0.0.1:9",
    )
    assert "password" not in config["ldap"]


def test_a_password_is_kept_where_the_api_does_not_show_it_and_goes_when_it_is_not_wanted(
    keystone: KeystoneServer, programs: Programs
) -> None:
    secrets = "SELECT s.value FROM sensitive_config s JOIN project d ON d.id = s.domain_id WHERE d.name = ?"
    settle(keystone, programs, domain("nine", password={"env": "NINE"}), NINE="s3cret")
    assert keystone.stored(secrets, "nine") == [('"s3cret"',)]
    settle(keystone, programs, domain("nine", password={"env": "NINE"}), NINE="r0tated")
    assert keystone.stored(secrets, "nine") == [('"r0tated"',)]
    settle(keystone, programs, domain("nine"))
    assert keystone.stored(secrets, "nine") == []


def test_running_again_changes_nothing(keystone: KeystoneServer, programs: Programs) -> None:
    settle(keystone, programs, domain("two"))
    result = settle(keystone, programs, domain("two"))
    assert result.stdout == "domain two: as wanted; what Keystone does not show was sent again\n"


def test_options_that_are_no_longer_wanted_go_even_those_that_are_false(keystone: KeystoneServer, programs: Programs) -> None:
    settle(keystone, programs, domain("three", use_tls=False, page_size=100))
    result = settle(keystone, programs, domain("three", page_size=200))
    assert result.stdout == "domain three: set ldap.page_size, ldap.use_tls\n"
    assert shown(keystone, "three")["ldap"].keys() == {"url", "user", "suffix", "page_size"}


def test_a_domain_is_disabled_and_described_anew(keystone: KeystoneServer, programs: Programs) -> None:
    settle(keystone, programs, domain("four"))
    result = settle(keystone, programs, {**domain("four"), "enabled": False, "description": "Former people"})
    assert "updated domain four: description, enabled" in result.stdout
    assert shown(keystone, "four")["enabled"] is False


def test_the_cloud_goes_on_beside_a_directory_that_does_not_answer(keystone: KeystoneServer, programs: Programs) -> None:
    settle(keystone, programs, domain("five"))
    assert keystone.api().get_token()


def test_an_option_that_keystone_does_not_know_is_one_sentence(keystone: KeystoneServer, programs: Programs) -> None:
    result = settle(keystone, programs, domain("six", colour="red"))
    assert result.returncode == 1
    assert "Option colour in group ldap is not supported for domain specific configurations" in result.stdout.splitlines()[-1]


def test_passwords_that_the_environment_lacks_are_all_named_before_anything_is_done(
    keystone: KeystoneServer, programs: Programs
) -> None:
    pair = [domain(name, password={"env": name.upper()}) for name in ("seven", "eight")]
    result = settle(keystone, programs, *pair)
    assert (result.returncode, result.stdout) == (1, "failed: the environment lacks SEVEN, EIGHT\n")
    assert not keystone.api().get("/domains?name=seven").json()["domains"]
