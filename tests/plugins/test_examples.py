from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stackloom import Output

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"), key=lambda path: path.stem)
PRESETS = {"core", "compute", "compute-tf"}


def test_there_is_one_for_each_preset() -> None:
    assert {yaml.safe_load(path.read_text())["spec"]["preset"] for path in EXAMPLES} == PRESETS


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_becomes_a_cloud_that_passes_all_checks(example: Path, manifests: Callable[[str], list[Output]]) -> None:
    components = {o.component for o in manifests(str(example))}
    assert {"glance", "horizon", "keystone", "neutron", "nova", "placement"} <= components


def test_open_vswitch_agents_ovn_and_tungsten_fabric_are_each_alone(manifests: Callable[[str], list[Output]]) -> None:
    agents = {"neutron-openvswitch-agent", "ovn-controller"}
    found = {
        path.stem: {o.name for o in manifests(str(path)) if o.kind == "DaemonSet" and o.name.startswith(("neutron-", "ovn-"))}
        for path in EXAMPLES
    }
    assert {name: names & agents for name, names in found.items()} == {
        "compute": {"neutron-openvswitch-agent"},
        "compute-tf": set(),
        "core": {"neutron-openvswitch-agent"},
        "ovn": {"ovn-controller"},
    }
