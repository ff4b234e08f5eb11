from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackloom import NodeRole, Service
from stackloom.constructs.variants import Variant, variants_of
from stackloom.fields import SpecModel
from stackloom.spec import loader
from stackloom.spec.deployment import OpenStackDeployment
from stackloom.spec.source import Source
from tests.bad_inputs import USUAL, patched


class Features(SpecModel):
    """Settings of the agent."""

    interface: str = "eth0"
    """Where it listens."""


class Switch(SpecModel):
    """Settings of another service."""

    cards: int = 1
    """Its cards."""


AGENT = Service(name="agent", type="network", build=lambda _: None, features=Features, node_features=Features)

keys = st.sampled_from(["rack", "zone", "example.org/gpu", "role"])
values = st.sampled_from(["a", "b", "c", ""])
labels = st.builds("{}::{}".format, keys, values)
overrides = st.lists(st.tuples(labels, st.booleans()), max_size=6, unique_by=lambda item: item[0])
nodes = st.dictionaries(keys, values, max_size=4)
loads = settings(max_examples=60, deadline=None)  # each example loads a deployment


def deployment(wanted: list[tuple[str, bool]]) -> OpenStackDeployment:
    """One in which these node labels are set apart, for the agent or for something else."""
    entries = {label: {"features": {"agent": {"interface": "eth1"}}} if concerns else {} for label, concerns in wanted}
    data = patched(USUAL, {"spec": {"features": {"services": ["network"]}}})
    return loader.load(Source.from_mapping({**data, "spec": {**data["spec"], "nodes": entries}}), [AGENT])


def variants(wanted: list[tuple[str, bool]]) -> list[Variant]:
    return variants_of(deployment(wanted), AGENT)


def affinity_matches(affinity: dict[str, Any] | None, node: dict[str, str]) -> bool:
    """What the scheduler of Kubernetes makes of a node affinity."""
    if affinity is None:
        return True
    required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return any(all(_meets(term, node) for term in terms["matchExpressions"]) for terms in required["nodeSelectorTerms"])


def _meets(term: dict[str, Any], node: dict[str, str]) -> bool:
    inside = node.get(term["key"]) in term["values"]
    return inside if term["operator"] == "In" else not inside


@loads
@given(overrides, nodes)
def test_every_node_runs_exactly_one_variant_whatever_labels_it_carries(wanted: list[tuple[str, bool]], node: dict[str, str]):
    assert [v.matches(node) for v in variants(wanted)].count(True) == 1


@loads
@given(overrides, nodes)
def test_the_scheduler_sees_what_the_variant_means(wanted: list[tuple[str, bool]], node: dict[str, str]):
    for variant in variants(wanted):
        assert affinity_matches(variant.affinity, node) == variant.matches(node)


@loads
@given(overrides, labels, st.integers(0, 6))
def test_names_do_not_change_when_another_override_is_added(wanted: list[tuple[str, bool]], new: str, place: int):
    wanted = [item for item in wanted if item[0] != new]
    before = {(v.key, v.value): v.suffix for v in variants(wanted)}
    after = {(v.key, v.value): v.suffix for v in variants([*wanted[:place], (new, True), *wanted[place:]])}
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(after)


@loads
@given(overrides, labels)
def test_an_override_that_is_added_last_leaves_the_other_variants_as_they_were(wanted: list[tuple[str, bool]], new: str):
    wanted = [item for item in wanted if item[0] != new]
    before, after = variants(wanted), variants([*wanted, (new, True)])
    assert after[: len(before) - 1] == before[:-1]
    assert [v.affinity for v in after[: len(before) - 1]] == [v.affinity for v in before[:-1]]


@loads
@given(overrides, nodes, keys, values)
def test_divided_by_any_label_every_node_still_runs_exactly_one_and_knows_on_which_side_it_is(
    wanted: list[tuple[str, bool]], node: dict[str, str], key: str, value: str
):
    parts = [part for variant in variants(wanted) for part in variant.divided(key, value)]
    ((inside, chosen),) = [(inside, part) for inside, part in parts if affinity_matches(part.affinity, node)]
    assert inside == (node.get(key) == value)
    assert chosen.matches(node)


def partly(wanted: list[tuple[str, bool]]) -> tuple[OpenStackDeployment, list[Variant]]:
    """A deployment in which each override concerns the agent, and the variants where some of them make no other agent of it."""
    made = deployment([(label, True) for label, _ in wanted])
    set_apart = {label for label, is_apart in wanted if is_apart}
    return made, variants_of(made, AGENT, lambda variant: variant.label in set_apart)


@loads
@given(overrides, nodes)
def test_nodes_that_are_not_set_apart_are_left_to_the_default(wanted: list[tuple[str, bool]], node: dict[str, str]):
    made, some = partly(wanted)
    (there,) = (v for v in variants_of(made, AGENT) if v.matches(node))
    (here,) = (v for v in some if v.matches(node))
    assert here.label == (there.label if dict(wanted).get(there.label) else Variant().label)
    assert [affinity_matches(v.affinity, node) for v in some] == [v.matches(node) for v in some]


@loads
@given(overrides, labels)
def test_an_override_that_sets_nothing_apart_and_comes_last_changes_nothing(wanted: list[tuple[str, bool]], new: str):
    wanted = [item for item in wanted if item[0] != new]
    assert partly([*wanted, (new, False)])[1] == partly(wanted)[1]


@loads
@given(overrides, nodes, st.booleans())
def test_nodes_of_another_role_can_be_left_to_another_agent(
    wanted: list[tuple[str, bool]], node: dict[str, str], is_gateway: bool
):
    labelled = {**node, **(NodeRole.GATEWAY.labels if is_gateway else {})}
    for variant in partly(wanted)[1]:
        expected = variant.matches(node) and not is_gateway
        assert affinity_matches(variant.affinity_but_on(NodeRole.GATEWAY), labelled) == expected


def test_an_override_for_something_else_makes_no_variant():
    assert variants([("rack::a", False)]) == [Variant()]


def test_a_variant_carries_the_operators_settings():
    first, last = variants([("rack::a", True)])
    assert first.features == Features(interface="eth1")
    assert (last.features, last.key) == (None, "")


@pytest.mark.parametrize("label", ["rack::A", "rack::a.b", "example.org/gpu::a", "rack::" + "a" * 40])
def test_a_suffix_is_short_and_fits_into_the_name_of_an_object(label: str):
    suffix = variants([(label, True)])[0].suffix
    assert suffix == suffix.lower()
    assert len(suffix) <= 28


def test_the_default_has_no_suffix_and_runs_everywhere():
    assert (Variant().suffix, Variant().affinity) == ("", None)


def test_features_of_another_service_set_nodes_apart_where_they_are_asked_for():
    other = Service(name="switch", type="switching", build=lambda _: None, features=Switch, node_features=Switch)
    data = patched(USUAL, {"spec": {"features": {"services": ["network", "switching"]}}})
    nodes = {"rack::a": {"features": {"switch": {"cards": 2}}}, "rack::b": {"features": {"agent": {"interface": "eth1"}}}}
    made = loader.load(Source.from_mapping(patched(data, {"spec": {"nodes": nodes}})), [AGENT, other])
    assert [v.label for v in variants_of(made, AGENT)] == ["rack::b", "::"]
    apart, own, rest = variants_of(made, AGENT, beside=["switch"])
    assert (apart.label, apart.features, apart.beside["switch"]) == ("rack::a", None, Switch(cards=2))
    assert (own.label, own.beside, rest.before) == ("rack::b", {}, (("rack", "a"), ("rack", "b")))
