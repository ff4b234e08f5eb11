from __future__ import annotations

import pytest

from stackloom.fields import ValueFrom
from stackloom.options import secrets_in_clear

REF = ValueFrom.model_validate({"value_from": {"secret_key_ref": {"name": "a", "key": "b"}}})


@pytest.mark.parametrize(
    "name", ["san_password", "password", "api_token", "pure_api_token", "s3_secret_key", "S3_Access_Key", "chap_secret"]
)
def test_an_option_that_is_a_secret_by_its_name_must_refer_to_one(name: str) -> None:
    (problem,) = secrets_in_clear({name: "value"}, "spec.x")
    assert problem.path == f"spec.x.{name}"
    assert not list(secrets_in_clear({name: REF}, "spec.x"))


@pytest.mark.parametrize("name", ["rbd_secret_uuid", "san_private_key", "san_login", "token_ttl", "passthrough", "keyring"])
def test_other_options_may_stand_in_clear(name: str) -> None:
    assert not list(secrets_in_clear({name: "value"}, "spec.x"))
