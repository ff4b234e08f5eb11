from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackloom import Database, Endpoint, Service, ServiceUser, StackloomError
from stackloom.graph import BACKEND_LEVEL, FIRST_SERVICE_LEVEL, Graph


def service(name: str, *requires: str, **more: Any) -> Service:
    """A service whose type is ``<name>-type``, with an API in the catalogue unless told otherwise."""
    endpoints = (Endpoint(service=f"{name}-api", port=len(name) * 1000, type=f"{name}-type", public=name),)
    known: dict[str, Any] = {"type": f"{name}-type", "endpoints": endpoints, **more}
    return Service(name=name, requires=frozenset(requires), **known)


def problems(*services: Service) -> list[str]:
    """What is wrong with a cloud of these services; each is of a plugin of its own."""
    with pytest.raises(StackloomError) as caught:
        Graph(services, lambda name: f"plugin of {name}")
    return [str(problem) for problem in caught.value.problems]


KEYSTONE = service("keystone", "database", "cache")
GLANCE = service("glance", "keystone-type", "database", uses=frozenset({"swift-type"}))
NOVA = service("nova", "keystone-type", "glance-type", "messaging", "database")
CLOUD = Graph([NOVA, KEYSTONE, GLANCE])


def test_services_are_sorted_by_name_whatever_their_order() -> None:
    assert list(CLOUD.services) == ["glance", "keystone", "nova"]


def test_a_service_starts_after_all_that_it_requires() -> None:
    assert {name: CLOUD.level(name) for name in CLOUD.services} == {"keystone": 2, "glance": 3, "nova": 4}


def test_what_no_service_stands_for_starts_with_the_infrastructure_before_all_services() -> None:
    assert CLOUD.level("mariadb") == BACKEND_LEVEL < FIRST_SERVICE_LEVEL == CLOUD.level("keystone")


def test_a_service_waits_for_the_infrastructure_and_the_apis_that_it_requires() -> None:
    assert CLOUD.waits_for(KEYSTONE) == ("memcached", "mariadb")
    assert CLOUD.waits_for(NOVA) == ("mariadb", "rabbitmq-nova", "glance-api", "keystone-api")


def test_nothing_waits_for_a_port_that_is_not_in_the_catalogue() -> None:
    proxy = Endpoint(service="nova-novncproxy", port=6080, name="vnc")
    nova = service("nova", endpoints=(Endpoint(service="nova-api", port=8774, type="compute"), proxy))
    horizon = service("horizon", "nova-type")
    assert Graph([nova, horizon]).waits_for(horizon) == ("nova-api",)


def test_nothing_waits_for_what_it_merely_uses() -> None:
    swift = service("swift")
    assert "swift-api" not in Graph([KEYSTONE, GLANCE, swift]).waits_for(GLANCE)


def test_a_service_does_not_wait_for_another_of_its_own_type_unless_it_says_so() -> None:
    libvirt = service("libvirt", type="compute", endpoints=())
    nova = service("nova", type="compute")
    graph = Graph([libvirt, nova])
    assert (graph.level("libvirt"), graph.level("nova")) == (2, 2)


def test_a_service_may_call_what_it_requires_and_what_it_uses() -> None:
    swift = service("swift")
    assert Graph([KEYSTONE, GLANCE, swift]).callees(GLANCE) == [("keystone", 8000), ("mariadb", 3306), ("swift", 5000)]


def test_what_a_service_uses_may_be_missing() -> None:
    assert Graph([KEYSTONE, GLANCE]).callees(GLANCE) == [("keystone", 8000), ("mariadb", 3306)]


def test_each_service_has_a_message_bus_of_its_own() -> None:
    assert ("rabbitmq-nova", 5672) in CLOUD.callees(NOVA)


def test_the_callers_of_a_service_are_those_that_require_or_use_it() -> None:
    swift = service("swift", "keystone-type")
    graph = Graph([KEYSTONE, GLANCE, NOVA, swift])
    assert graph.callers(KEYSTONE) == ["glance", "nova", "swift"]
    assert graph.callers(swift) == ["glance"]
    assert graph.callers(NOVA) == []


def test_an_endpoint_is_found_by_the_type_of_its_service_and_its_name() -> None:
    assert CLOUD.endpoint("glance-type") == GLANCE.endpoints[0]
    assert CLOUD.endpoint("glance-type", "registry") is None
    assert CLOUD.endpoint("swift-type") is None
    assert (CLOUD.provides("glance-type"), CLOUD.provides("swift-type")) == (True, False)


def test_every_requirement_that_nothing_meets_is_named_with_the_nearest_that_is_there() -> None:
    lacking = "plugin of glance: the service 'glance' requires {}, which nothing in this cloud provides. Did you mean {}?"
    assert problems(KEYSTONE, service("glance", "keystone-tpye", "databse")) == [
        lacking.format("'databse'", "'database'"),
        lacking.format("'keystone-tpye'", "'keystone-type'"),
    ]


def test_a_circle_names_its_services_and_their_plugins() -> None:
    (message,) = problems(service("b", "c-type"), service("c", "a-type"), service("a", "b-type"), KEYSTONE)
    assert message == (
        "plugin of a, plugin of b, plugin of c: services require each other in a circle: a -> b -> c -> a. "
        "One of them can name another under `uses` instead of `requires`: then it does not wait for it"
    )


def test_circles_that_have_nothing_in_common_are_reported_together() -> None:
    found = problems(service("a", "b-type"), service("b", "a-type"), service("y", "z-type"), service("z", "y-type"))
    assert [message.partition("circle: ")[2].partition(". ")[0] for message in found] == ["a -> b -> a", "y -> z -> y"]


def test_what_waits_for_a_circle_is_not_part_of_it() -> None:
    found = problems(service("a", "b-type"), service("b", "a-type"), service("outside", "a-type"))
    assert [message.partition("circle: ")[2].partition(". ")[0] for message in found] == ["a -> b -> a"]


@pytest.mark.parametrize(
    ("what", "shared"),
    [
        ("Service of Kubernetes 'api'", {"endpoints": (Endpoint(service="api", port=1),)}),
        ("database 'events'", {"endpoints": (), "databases": (Database("events"),)}),
        ("account in Keystone 'robot'", {"endpoints": (), "user": ServiceUser(name="robot")}),
    ],
)
def test_what_only_one_service_can_have_is_refused_for_two(what: str, shared: dict[str, Any]) -> None:
    assert problems(service("a", **shared), service("b", **shared)) == [
        f"plugin of b: the {what} is that of the service 'a' and of 'b'. Give one of them another"
    ]


@pytest.mark.parametrize(("field", "what"), [("public", "public host 'cloud'"), ("type", "type in the catalogue 'cloud'")])
def test_a_public_host_and_a_type_in_the_catalogue_belong_to_one_service(field: str, what: str) -> None:
    first, second = (service(n, endpoints=(Endpoint(service=f"{n}-api", port=1, **{field: "cloud"}),)) for n in "ab")
    assert problems(first, second) == [f"plugin of b: the {what} is that of the service 'a' and of 'b'. Give one of them another"]


def test_one_service_may_have_two_endpoints_on_one_host() -> None:
    old, new = (Endpoint(service="nova-api", port=8774, type=t, public="nova", name=t) for t in ("compute", "compute_legacy"))
    assert Graph([service("nova", endpoints=(old, new))]).endpoint("nova-type", "compute_legacy") == new


@given(st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from("abcdef"))))
def test_any_graph_is_either_ordered_or_refused_for_a_real_circle(edges: dict[str, frozenset[str]]) -> None:
    needs = {name: {n for n in edges[name] if n in edges} - {name} for name in edges}
    try:
        graph = Graph([service(name, *(f"{n}-type" for n in needs[name])) for name in needs])
    except StackloomError as error:
        for problem in error.problems:
            ring = problem.what.partition("circle: ")[2].split(" -> ")
            assert ring[0] == ring[-1]
            assert all(after in needs[before] for before, after in pairwise(ring))
    else:
        assert all(graph.level(name) > graph.level(n) for name in needs for n in needs[name])


# -- Infrastructure ----------------------------------------------------------------------------------------------------

CACHE = Service(name="memcached", type="memcached", backs="cache")


def test_infrastructure_starts_before_all_services_and_is_waited_for_by_those_that_require_it():
    keystone = Service(name="keystone", type="identity", requires=frozenset({"cache"}))
    graph = Graph([keystone, CACHE])
    assert graph.level("memcached") < graph.level("keystone")
    assert graph.waits_for(keystone) == ("memcached",)


def test_infrastructure_is_required_by_what_it_backs_and_not_by_its_type():
    with pytest.raises(StackloomError, match="requires 'memcached', which nothing in this cloud provides"):
        Graph([Service(name="keystone", type="identity", requires=frozenset({"memcached"})), CACHE])
