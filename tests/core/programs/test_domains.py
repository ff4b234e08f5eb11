from __future__ import annotations

from typing import Any

from domains import differing, resolved, variables

Sections = dict[str, dict[str, Any]]

CONFIG: Sections = {
    "identity": {"driver": "ldap"},
    "ldap": {"url": "ldap://a", "password": {"env": "P"}, "user": {"env": "U"}, "suffix": None},
}


def test_references_are_found_in_every_section() -> None:
    assert variables(CONFIG) == ["P", "U"]


def test_references_become_values_and_options_without_one_are_left_out() -> None:
    ldap = {"url": "ldap://a", "password": "p", "user": "u"}
    assert resolved(CONFIG, {"P": "p", "U": "u"}) == {"identity": {"driver": "ldap"}, "ldap": ldap}


def test_options_that_differ_are_named_whichever_side_lacks_them() -> None:
    shown: Sections = {"ldap": {"url": "ldap://a", "page_size": 0, "old": 1}}
    wanted: Sections = {"ldap": {"url": "ldap://b", "page_size": 0, "new": False}, "identity": {"driver": "ldap"}}
    assert differing(shown, wanted) == ["identity.driver", "ldap.new", "ldap.old", "ldap.url"]
    assert differing(wanted, wanted) == []
