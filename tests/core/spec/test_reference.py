from __future__ import annotations

import re

from stackloom.spec.reference import reference
from tests.core.spec.cloud import SERVICES

PAGE = reference(SERVICES)
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `([^`]+)` \| .*$", PAGE, re.MULTILINE)}


def test_a_field_is_told_with_type_default_and_meaning() -> None:
    assert ROWS["spec.region_name"] == "| `spec.region_name` | text | `RegionOne` | The region in the catalogue. |"
    assert ROWS["spec.features.nova.live_migration_interface"].split(" | ")[2] == "*required*"
    assert ROWS["spec.features.keystone.domains.<name>.password"].split(" | ")[1] == "reference to a Secret"
    assert ROWS["spec.features.keystone.token_hours"].split(" | ")[1] == "whole number from 1"


def test_what_holds_for_every_service_is_told_once() -> None:
    levels = [path for path in ROWS if path.startswith("spec.features.logging.") and path.endswith(".level")]
    assert levels == ["spec.features.logging.<service>.level"]
    assert "`keystone`" in ROWS["spec.features.logging.<service>"]
    assert "`libvirt`" in ROWS["spec.services.<service type>.<service>"]
    assert "spec.nodes.<label::value>.features.nova.live_migration_interface" in ROWS


def test_every_key_says_what_it_means() -> None:
    assert [path for path, row in ROWS.items() if row.endswith("|  |")] == []


def test_the_page_is_the_same_for_any_order_of_services() -> None:
    assert reference(SERVICES[::-1]) == PAGE
    assert PAGE.endswith("|\n")
    assert "\n\n\n" not in PAGE
