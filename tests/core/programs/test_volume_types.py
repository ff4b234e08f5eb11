from __future__ import annotations

from typing import Any

import pytest
from volume_types import settle_types


class Cinder:
    """The types that an API of Cinder holds."""

    def __init__(self, *types: dict[str, Any]) -> None:
        self.types = [{"id": str(i), **each} for i, each in enumerate(types)]
        self.posted: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        assert path == "types?is_public=None"
        return {"volume_types": self.types}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.posted.append(path)
        if path == "types":
            self.types.append({"id": str(len(self.types)), **body["volume_type"]})
        else:
            (found,) = (each for each in self.types if path == f"types/{each['id']}/extra_specs")
            found["extra_specs"] |= body["extra_specs"]
        return {}


RBD = {"name": "rbd", "extra_specs": {"volume_backend_name": "rbd"}}


def test_a_type_is_made_once() -> None:
    cinder = Cinder({"name": "__DEFAULT__", "extra_specs": {}})
    settle_types(cinder, [RBD])  # type: ignore[arg-type]
    settle_types(cinder, [RBD])  # type: ignore[arg-type]
    assert cinder.posted == ["types"]
    assert cinder.types[1]["os-volume-type-access:is_public"]


def test_a_type_that_leads_elsewhere_is_put_right_and_keeps_what_else_was_said_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    cinder = Cinder({"name": "rbd", "extra_specs": {"volume_backend_name": "old", "multiattach": "<is> True"}})
    settle_types(cinder, [RBD])  # type: ignore[arg-type]
    assert cinder.types[0]["extra_specs"] == {"volume_backend_name": "rbd", "multiattach": "<is> True"}
    assert capsys.readouterr().out == "updated volume type rbd: volume_backend_name\n"
