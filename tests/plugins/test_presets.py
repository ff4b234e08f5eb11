from __future__ import annotations

import pytest

from stackloom.graph import Graph
from tests.plugins.cloud import cloud, services

CORE = {"identity", "dashboard", "image", "compute", "networking", "placement"}
COMPUTE = CORE | {"block-storage", "dns", "orchestration", "load-balancer", "key-manager"}
ON_REQUEST = {"object-storage", "instance-ha", "tempest", "alarming", "metering", "metric"}
PRESETS = {"core": CORE, "compute": COMPUTE, "compute-tf": COMPUTE - {"load-balancer"}}


@pytest.mark.parametrize(("preset", "selected"), PRESETS.items())
def test_a_preset_selects_the_services_of_the_reference(preset: str, selected: set[str]) -> None:
    without_floating_network = {"neutron": {"floating_network": {"enabled": False}}}
    assert set(cloud(without_floating_network, preset=preset).selected) == selected


def test_every_service_is_in_a_preset_or_on_request() -> None:
    assert {s.type for s in services()} == COMPUTE | ON_REQUEST


def test_a_preset_takes_all_services_of_a_type_or_none() -> None:
    presets = {(s.type, s.presets) for s in services()}
    assert len(presets) == len({type_ for type_, _ in presets})


@pytest.mark.parametrize(("preset", "selected"), PRESETS.items())
def test_what_a_preset_selects_has_all_that_it_requires_and_no_circle(preset: str, selected: set[str]) -> None:
    chosen = [s for s in services() if preset in s.presets]
    graph = Graph(chosen)
    assert {s.type for s in graph.services.values()} == selected
    assert graph.level("keystone") < graph.level("glance") < graph.level("nova")


def test_all_services_together_require_each_other_in_no_circle() -> None:
    graph = Graph(services())
    assert graph.level("gnocchi") < min(graph.level("ceilometer"), graph.level("aodh"))
    assert graph.level("nova") < graph.level("octavia")


def test_a_list_of_services_replaces_that_of_the_preset() -> None:
    assert set(cloud({"services": ["identity", "image"]}).selected) == {"identity", "image"}


def test_services_use_what_exists() -> None:
    backends = {"database", "cache", "ceph", "messaging", "notifications", "coordination"}
    named = {name for s in services() for name in s.requires | s.uses}
    assert named <= {s.type for s in services()} | backends


def test_services_and_their_subtrees_have_the_names_of_the_reference() -> None:
    assert {s.name: s.type for s in services()} == {
        "aodh": "alarming",
        "barbican": "key-manager",
        "ceilometer": "metering",
        "ceph-rgw": "object-storage",
        "cinder": "block-storage",
        "designate": "dns",
        "glance": "image",
        "gnocchi": "metric",
        "heat": "orchestration",
        "horizon": "dashboard",
        "keystone": "identity",
        "libvirt": "compute",
        "masakari": "instance-ha",
        "neutron": "networking",
        "nova": "compute",
        "octavia": "load-balancer",
        "openvswitch": "networking",
        "ovn": "networking",
        "placement": "placement",
        "tempest": "tempest",
    }
    assert {s.features_name for s in services() if s.type in ("alarming", "metering", "metric")} == {"telemetry"}


def test_deleted_rows_are_removed_at_the_times_of_the_reference() -> None:
    assert {
        s.name: (s.cleanup.schedule, s.cleanup.age, s.cleanup.batch) for s in services() if s.cleanup and s.name != "keystone"
    } == {
        "aodh": ("1 6 * * 1", 30, None),
        "barbican": ("1 4 * * 1", 30, None),
        "cinder": ("1 0 * * 1", 30, None),
        "glance": ("1 2 * * 1", 30, -1),
        "heat": ("1 5 * * 1", 30, 10),
        "horizon": ("1 8 * * 1", None, None),
        "masakari": ("1 3 * * 1", 30, 1000),
        "nova": ("1 1 * * 1", 30, 1000),
    }
