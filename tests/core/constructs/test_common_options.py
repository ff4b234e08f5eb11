from __future__ import annotations

from configparser import ConfigParser

import pytest

from stackloom import ServiceContext, StackloomError
from tests.core.constructs.conftest import Build, Built


def written(built: Built, key: str = "glance-api.conf") -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.read_string(built.context.config_files[key].text)
    return parser


def plain(ctx: ServiceContext) -> None:
    ctx.oslo_config("glance-api.conf", {})


def test_a_file_says_by_itself_how_the_service_reaches_what_it_stands_on(build_service: Build):
    conf = written(build_service(plain))
    assert conf["keystone_authtoken"]["username"] == "glance"
    assert conf["database"]["max_retries"] == "-1"
    assert conf["oslo_messaging_rabbit"]["rabbit_quorum_queue"] == "true"


def test_tokens_are_validated_for_the_type_that_the_catalogue_has(build_service: Build):
    assert written(build_service(plain))["keystone_authtoken"]["service_type"] == "image"


def test_a_second_file_without_a_schema_says_nothing_but_where_to_log(build_service: Build):
    built = build_service(lambda ctx: ctx.oslo_config("cache.conf", {}), service={"conf": ("glance-api", "cache")})
    assert set(written(built, "cache.conf").sections()) == {"oslo_policy"}


def test_the_service_logs_in_to_others_as_itself_with_a_password_from_its_secret(build_service: Build):
    def build(ctx: ServiceContext) -> None:
        config = ctx.oslo_config("glance-api.conf", {}, accounts=["placement"])
        ctx.task("look", command=["look"], config=config)

    built = build_service(build)
    assert written(built)["placement"]["auth_url"].startswith("http://keystone-api.")
    assert built.env("Job/glance-look")["OS_PLACEMENT__PASSWORD"] == "glance-service-user/password"


def test_who_logs_in_to_others_needs_an_account(build_service: Build):
    with pytest.raises(StackloomError, match="has no `user`"):
        build_service(lambda ctx: ctx.oslo_config("glance-api.conf", {}, accounts=["placement"]), service={"user": None})
