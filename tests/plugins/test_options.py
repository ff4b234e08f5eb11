"""What the services of each release can be told, as it is shipped, and deployments checked against it."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from stackloom.cli import app
from stackloom.errors import StackloomError
from stackloom.oslo.check import check
from stackloom.oslo.schema import schema_of
from stackloom.oslo.values import unfit
from stackloom.spec.releases import SUPPORTED
from tests.plugins.test_keystone import Manifests, cloud

FILES = sorted(schema_of("stackloom_openstack", "gazpacho").said["files"])


def refused(manifests: Manifests, values: dict[str, Any], **features: Any) -> list[str]:
    """What is wrong with a cloud whose Keystone has these values: path, and what is said."""
    with pytest.raises(StackloomError) as caught:
        manifests(cloud(features, services={"identity": {"keystone": {"values": values}}}))
    return [f"{p.path}: {p.what}. {p.hint}" for p in caught.value.problems]


@pytest.mark.parametrize("release", SUPPORTED)
@pytest.mark.parametrize("file", FILES)
def test_a_misspelt_option_of_any_file_is_told_with_the_right_name(release: str, file: str) -> None:
    known = schema_of("stackloom_openstack", release).file(file)
    assert known is not None
    (finding,) = check({"DEFAULT": {"use_jounal": True}}, known)
    assert finding.hint == "Did you mean 'use_journal'?"


@pytest.mark.parametrize("release", SUPPORTED)
def test_every_default_that_is_told_fits_its_own_option(release: str) -> None:
    schema = schema_of("stackloom_openstack", release)
    odd = [
        f"{file} {group}.{name} = {option.default!r}: {reason}"
        for file in FILES
        if (known := schema.file(file))
        for group in known.groups
        for name, option in known.group(group).items()
        if not isinstance(option.default, dict)
        and not any(sign in str(option.default) for sign in "<(")  # a description in the place of a value
        and (reason := unfit(option, option.default))
    ]
    assert odd == ["cinder backend_defaults.u4p_failover_timeout = 20.0: a whole number"]  # Cinder's own slip


def test_options_of_an_operator_are_checked_where_they_stand(manifests: Manifests) -> None:
    conf = {"keystone": {"token": {"expiration": "-1"}, "DEFAULT": {"debgu": True}}}
    path = "spec.services.identity.keystone.values.conf.keystone"
    assert sorted(refused(manifests, {"conf": conf})) == [
        f"{path}.DEFAULT.debgu: the service knows no option 'debgu' in the section 'DEFAULT'. Did you mean 'debug'?",
        f"{path}.token.expiration: '-1' does not fit expiration. It must be a whole number of 0 at least",
    ]


def test_an_option_from_elsewhere_is_let_through_by_name_and_only_then(manifests: Manifests) -> None:
    conf = {"keystone": {"acme": {"zip": 1}}}
    manifests(cloud(services={"identity": {"keystone": {"values": {"conf": conf, "unchecked": {"keystone": ["acme.zip"]}}}}}))
    (unknown,) = refused(manifests, {"conf": conf})
    assert "knows no section 'acme'" in unknown
    (needless,) = refused(manifests, {"unchecked": {"keystone": ["token.expiration"]}})
    assert "token.expiration is not set, or nothing is wrong with it" in needless


def test_an_option_from_a_secret_reaches_the_containers_that_read_the_file(manifests: Manifests) -> None:
    reference = {"value_from": {"secret_key_ref": {"name": "directory", "key": "password"}}}
    values = {"conf": {"keystone": {"ldap": {"password": reference}}}}
    made = {f"{o.kind}/{o.name}": o.body for o in manifests(cloud(services={"identity": {"keystone": {"values": values}}}))}
    assert "[ldap]" not in made["ConfigMap/keystone-etc"]["data"]["keystone.conf"]
    container, _ = made["Deployment/keystone-api"]["spec"]["template"]["spec"]["containers"]
    source = {"secretKeyRef": {"name": "directory", "key": "password"}}
    assert {"name": "OS_LDAP__PASSWORD", "valueFrom": source} in container["env"]


def test_a_secret_in_clear_or_one_that_no_variable_can_hold_is_refused(manifests: Manifests) -> None:
    reference = {"value_from": {"secret_key_ref": {"name": "directory", "key": "password"}}}
    clear, several = sorted(
        refused(manifests, {"conf": {"keystone": {"ldap": {"password": "x"}, "cache": {"backend_argument": reference}}}}),
        reverse=True,
    )
    assert "the option password is a secret, and this file can be read in Git. Put it into a Secret and refer to it" in clear
    assert "backend_argument takes several values, which cannot come from a Secret" in several


def test_a_list_is_written_line_by_line_where_the_service_reads_it_so(manifests: Manifests) -> None:
    conf = {"keystone": {"oslo_messaging_notifications": {"driver": ["messagingv2", "log"]}}}
    made = manifests(cloud(services={"identity": {"keystone": {"values": {"conf": conf}}}}))
    text = next(o.body["data"]["keystone.conf"] for o in made if o.name == "keystone-etc" and o.kind == "ConfigMap")
    assert "driver = messagingv2\ndriver = log\n" in text


def test_policies_are_those_of_the_service(manifests: Manifests) -> None:
    rules = {"identity:list_user": "role:admin", "mine": "role:x", "identity:get_user": "rule:mine"}
    (problem,) = refused(manifests, {}, policies={"keystone": rules})
    assert "keystone knows no policy 'identity:list_user'. Did you mean 'identity:list_users'?" in problem


def test_the_command_shows_options_by_a_part_of_their_name_or_a_pattern() -> None:
    by_part = CliRunner().invoke(app, ["options", "keystone", "max_active"])
    by_pattern = CliRunner().invoke(app, ["options", "keystone", "fernet_tokens.*", "--release", "epoxy"])
    assert by_part.output.count("max_active_keys = 3  (integer, at least 1)") == 2
    assert by_pattern.output.startswith("keystone.conf [fernet_tokens]\n  key_repository = /etc/keystone/fernet-keys/  (string)")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["keyston"], "no service is called 'keyston'. Did you mean 'keystone'?"),
        (["keystone", "--release", "zed"], "'zed' is no release that is supported"),
        (["memcached"], "nothing says which options memcached has"),
    ],
)
def test_the_command_says_what_it_does_not_know(arguments: list[str], said: str) -> None:
    assert said in str(CliRunner().invoke(app, ["options", *arguments]).exception)
