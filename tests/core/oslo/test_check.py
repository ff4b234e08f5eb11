from __future__ import annotations

from typing import Any

from stackloom.model.conf import SectionsLike
from stackloom.oslo.check import Finding, check
from stackloom.oslo.schema import OptionFile

FILE = OptionFile(
    {
        "DEFAULT": {"debug": {"type": "boolean"}, "enabled_backends": {"type": "list"}, "rpc_workers": {"type": "integer"}},
        "backend_defaults": {"volume_driver": {}, "san_ip": {"formerly": [["", "san_address"]]}},
        "database": {"connection": {"secret": True}, "mysql_engine": {"leaves": "MariaDB has one"}},
        "keystone_authtoken": {"auth_type": {}, "memcached_servers": {"type": "list"}},
        "oslo_limit": {"endpoint_id": {"formerly": [["DEFAULT", "limit_endpoint"]]}},
    },
    {"password": {"username": {"formerly": [["", "user_name"]]}}, "v3token": {"token": {"secret": True}}},
)
BACKENDS = (SectionsLike("DEFAULT.enabled_backends", "backend_defaults"),)


def found(**sections: dict[str, Any]) -> list[Finding]:
    return list(check(sections, FILE, like=BACKENDS))


def test_what_the_service_declares_is_taken() -> None:
    assert found(DEFAULT={"debug": True, "rpc_workers": 2}, oslo_limit={"endpoint_id": "x"}) == []


def test_the_nearest_name_is_given_for_one_that_is_misspelt() -> None:
    (option,) = found(DEFAULT={"debgu": True})
    (section,) = found(databse={"connection": ""})
    assert (option.what, option.hint) == ("the service knows no option 'debgu' in the section 'DEFAULT'", "Did you mean 'debug'?")
    assert (section.what, section.hint) == ("the service knows no section 'databse'", "Did you mean 'database'?")


def test_a_former_name_is_told_with_the_one_of_today_and_its_section() -> None:
    (moved,) = found(DEFAULT={"limit_endpoint": "x"})
    (renamed,) = found(backend_defaults={"san_address": "x"})
    assert moved.hint == "Write endpoint_id in the section oslo_limit"
    assert renamed.hint == "Write san_ip"


def test_a_value_that_does_not_fit_is_told_with_what_does() -> None:
    (finding,) = found(DEFAULT={"debug": "maybe"})
    assert (finding.what, finding.hint) == ("'maybe' does not fit debug", "It must be true or false")


def test_an_option_that_will_go_is_told_with_the_reason() -> None:
    (finding,) = found(database={"mysql_engine": "x"})
    assert (finding.what, finding.hint) == ("the option mysql_engine will be removed", "MariaDB has one")


def test_a_secret_does_not_stand_in_a_file_that_all_can_read() -> None:
    (finding,) = found(database={"connection": "mysql://root:x@db"})
    assert finding.what == "the option connection is a secret, and this file can be read in Git"


def test_sections_that_the_file_names_have_the_options_of_their_model() -> None:
    named = {"enabled_backends": "fast:rbd, slow"}
    assert found(DEFAULT=named, fast={"san_ip": "x"}, slow={"volume_driver": "x"}) == []
    assert [f.group for f in found(DEFAULT=named, other={"san_ip": "x"})] == ["other"]
    assert [f.option for f in found(DEFAULT=named, fast={"san_ipp": "x"})] == ["san_ipp"]


def test_the_way_to_authenticate_brings_its_options() -> None:
    assert found(keystone_authtoken={"username": "nova"}) == []
    assert [f.option for f in found(keystone_authtoken={"auth_type": "v3token", "username": "nova"})] == ["username"]


def test_sections_that_only_the_record_names_have_the_options_of_their_model() -> None:
    like = (SectionsLike(like="backend_defaults", names=("privileged",)),)
    assert list(check({"privileged": {"volume_driver": "x"}}, FILE, like=like)) == []


def test_a_section_with_an_account_takes_the_way_to_log_in_though_the_service_does_not_declare_it() -> None:
    account = {name: {} for name in ("auth_url", "username", "password", "user_domain_name")}
    known = OptionFile({"service_user": account, "ldap": {"password": {}}}, {"password": {"project_name": {}}})
    (finding,) = check({"service_user": {"auth_type": "password", "project_name": "x"}, "ldap": {"auth_type": "x"}}, known)
    assert finding.group == "ldap"
