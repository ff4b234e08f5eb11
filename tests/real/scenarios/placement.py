"""Placement: classes of resources, and a provider of some."""

from __future__ import annotations

from tests.real.boot.scenario import RunningCloud, Scenario


def a_provider_of_resources_is_registered_and_has_what_it_was_given(cloud: RunningCloud) -> None:
    placement = cloud.admin.placement
    provider = placement.create_resource_provider(name="shelf")
    placement.create_resource_provider_inventory(provider, "VCPU", total=8, max_unit=8, allocation_ratio=1.0)
    assert [(i.resource_class, i.total) for i in placement.resource_provider_inventories(provider)] == [("VCPU", 8)]
    placement.delete_resource_provider(provider)


SCENARIO = Scenario(
    services=["placement"],
    shows=[a_provider_of_resources_is_registered_and_has_what_it_was_given],
)
