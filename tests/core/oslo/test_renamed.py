from __future__ import annotations

from typing import Any

from stackloom.oslo.renamed import as_called_in
from stackloom.oslo.schema import OptionFile


def file(**groups: dict[str, Any]) -> OptionFile:
    return OptionFile(groups, {})


NEWEST = file(
    ml2={"project_network_types": {"type": "list", "formerly": [["", "tenant_network_types"]]}, "type_drivers": {}},
    ovs={"bridge": {"formerly": [["DEFAULT", "ovs_bridge"]]}},
)
OLDER = file(ml2={"tenant_network_types": {"type": "list"}, "type_drivers": {}}, DEFAULT={"ovs_bridge": {}})


def test_an_option_gets_the_name_that_an_older_release_has_for_it():
    wanted = {"ml2": {"project_network_types": ["vxlan"], "type_drivers": ["flat"]}}
    found = as_called_in(OLDER, NEWEST, wanted)
    assert found == {"ml2": {"tenant_network_types": ["vxlan"], "type_drivers": ["flat"]}}


def test_an_option_may_have_been_in_another_section():
    assert as_called_in(OLDER, NEWEST, {"ovs": {"bridge": "br-int"}}) == {"DEFAULT": {"ovs_bridge": "br-int"}}


def test_what_nobody_knows_stays_as_it_is():
    wanted = {"ml2": {"nonsense": 1}, "mine": {"x": 2}}
    assert as_called_in(OLDER, NEWEST, wanted) == wanted


def test_nothing_changes_where_the_names_are_the_same():
    wanted = {"ml2": {"project_network_types": ["vxlan"]}}
    assert as_called_in(NEWEST, NEWEST, wanted) == wanted
