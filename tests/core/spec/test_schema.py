from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import jsonschema_rs
import pytest

from stackloom.spec.schema import json_schema
from stackloom.spec.source import Source
from tests.bad_inputs import patched
from tests.core.spec.cloud import SERVICES
from tests.core.spec.written_in_python import CLOUD

SCHEMA = json_schema(SERVICES, ["vitrage"])
GOOD = Source.from_model(CLOUD).data


def errors(patch: dict[str, Any]) -> list[str]:
    return [error.message for error in jsonschema_rs.validator_for(SCHEMA).iter_errors(patched(GOOD, {"spec": patch}))]


def test_an_editor_accepts_a_good_deployment() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    assert errors({}) == []
    assert errors({"services": {"identity": {"keystone": {"values": {"resources": {"api": {"limits": {"cpu": 2}}}}}}}}) == []


@pytest.mark.parametrize(
    "patch",
    [
        {"sizes": "tiny"},
        {"size": "large"},
        {"features": {"keyston": {}}},
        {"features": {"keystone": {"token_hours": 0}}},
        {"features": {"services": ["idenity"]}},
        {"features": {"logging": {"nove": {"level": "INFO"}}}},
        {"features": {"database": {"cleanup": {"nova": {}}}}},
        {"services": {"image": {"keystone": {}}}},
        {"services": {"identity": {"keystone": {"values": {"pod": {}}}}}},
        {"nodes": {"rack::r1": {"features": {"keystone": {}}}}},
        {"plugins": {"other": {}}},
    ],
    ids=str,
)
def test_an_editor_underlines(patch: dict[str, Any]) -> None:
    assert errors(patch)


def test_every_mapping_is_closed_and_every_field_described() -> None:
    for name, model in SCHEMA["$defs"].items():
        if model.get("type") == "object" and name != "RemoteConf":
            assert model["additionalProperties"] is False, name
    spec = SCHEMA["$defs"]["Spec"]["properties"]
    assert all(
        field.get("description") or SCHEMA["$defs"][field["$ref"].rsplit("/", 1)[1]].get("description") for field in spec.values()
    )


def test_services_complete_to_their_types_and_the_infrastructure() -> None:
    allowed = json.dumps(SCHEMA["$defs"]["Features"]["properties"]["services"])
    assert '"identity"' in allowed
    assert '"memcached"' in allowed


def test_the_schema_is_the_same_whatever_the_hash_seed_and_the_order_of_services() -> None:
    code = "import json, sys; from stackloom.spec.schema import json_schema; from tests.core.spec.cloud import SERVICES\n"
    code += "print(json.dumps(json_schema(SERVICES[::-1], ['vitrage'])))"
    path = os.pathsep.join(sys.path)
    made = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "7", "PYTHONPATH": path}, capture_output=True, check=True
    )
    assert made.stdout.decode() == json.dumps(SCHEMA) + "\n"
