from __future__ import annotations

from typing import Any

import catalogue
from hypothesis import given
from hypothesis import strategies as st

INTERFACES = ("internal", "public", "admin")
URLS = st.sampled_from(["http://a:1", "http://b:2", "http://c:3"])
ENDPOINTS = st.lists(st.tuples(st.sampled_from(INTERFACES), URLS), max_size=8).map(
    lambda pairs: [{"id": f"e{n}", "interface": interface, "url": url} for n, (interface, url) in enumerate(pairs)]
)


def carried_out(existing: list[dict[str, Any]], wanted: dict[str, str]) -> list[dict[str, Any]]:
    plans, surplus = catalogue.endpoint_plans(existing, wanted)
    kept = [{**(plan.found or {"id": f"new-{i}", "interface": i}), "url": wanted[i]} for i, plan in plans.items()]
    assert {e["id"] for e in kept}.isdisjoint(e["id"] for e in surplus)
    assert all(e in surplus for e in existing if e["id"] not in {k["id"] for k in kept})
    return kept


@given(existing=ENDPOINTS, wanted=st.dictionaries(st.sampled_from(INTERFACES), URLS))
def test_whatever_is_there_the_wanted_endpoints_remain_and_no_other(
    existing: list[dict[str, Any]], wanted: dict[str, str]
) -> None:
    after = carried_out(existing, wanted)
    assert {e["interface"]: e["url"] for e in after} == wanted
    assert len(after) == len(wanted)
    plans, surplus = catalogue.endpoint_plans(after, wanted)
    assert [plans[i].found for i in wanted] == after
    assert not surplus


@given(existing=ENDPOINTS, wanted=st.dictionaries(st.sampled_from(INTERFACES), URLS))
def test_an_endpoint_is_never_made_where_one_can_be_changed(existing: list[dict[str, Any]], wanted: dict[str, str]) -> None:
    plans, _ = catalogue.endpoint_plans(existing, wanted)
    assert all((plans[i].found is not None) == any(e["interface"] == i for e in existing) for i in wanted)


def test_of_several_that_mean_the_same_the_one_most_like_the_wanted_is_kept() -> None:
    doubles = [{"id": "1", "name": "old"}, {"id": "2", "name": "nova"}, {"id": "3", "name": "nova"}]
    plan = catalogue.choose(doubles, {"name": "nova"})
    assert (plan.found, plan.surplus) == (doubles[1], (doubles[2], doubles[0]))
