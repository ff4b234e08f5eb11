from __future__ import annotations

from federation import mapping_id, retired

WANTED = [{"name": "keycloak", "protocol": "openid"}]


def test_a_mapping_is_named_after_its_provider_and_protocol() -> None:
    assert mapping_id(WANTED[0]) == "keycloak-openid"


def test_a_provider_that_is_not_wanted_is_retired_once() -> None:
    kept = {"id": "keycloak", "enabled": True, "remote_ids": ["a"]}
    active = {"id": "old", "enabled": True, "remote_ids": []}
    holding = {"id": "older", "enabled": False, "remote_ids": ["b"]}
    done = {"id": "oldest", "enabled": False, "remote_ids": []}
    assert retired([kept, active, holding, done], WANTED) == [active, holding]
