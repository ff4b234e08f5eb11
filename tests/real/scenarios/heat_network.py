"""Heat with Neutron: a stack that makes a network, in the name of the user who asked for it."""

from __future__ import annotations

from typing import Any

from tests.real.boot.scenario import RunningCloud, Scenario
from tests.real.scenarios import heat, neutron

NETWORK: dict[str, Any] = {
    "heat_template_version": "2021-04-16",
    "resources": {
        "network": {"type": "OS::Neutron::Net", "properties": {"name": "stacked"}},
        "subnet": {
            "type": "OS::Neutron::Subnet",
            "properties": {"network": {"get_resource": "network"}, "cidr": "10.8.0.0/24"},
        },
    },
}


def a_stack_makes_a_network_and_takes_it_away(cloud: RunningCloud) -> None:
    orchestration, network = cloud.admin.orchestration, cloud.admin.network
    orchestration.create_stack(name="network", template=NETWORK)
    heat.settled(cloud, "network", "CREATE_COMPLETE")
    (subnet,) = network.subnets(network_id=network.find_network("stacked", ignore_missing=False).id)
    assert subnet.cidr == "10.8.0.0/24"
    stack = orchestration.find_stack("network", ignore_missing=False)
    orchestration.delete_stack(stack)
    orchestration.wait_for_delete(stack, wait=heat.PATIENCE_SECONDS)
    assert network.find_network("stacked") is None


SCENARIO = Scenario(
    services=["networking", "orchestration"],
    spec=neutron.SCENARIO.spec,
    shows=[a_stack_makes_a_network_and_takes_it_away],
)
