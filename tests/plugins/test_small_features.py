"""Services whose features are few: Masakari, telemetry, the object store, and those that have none."""

from __future__ import annotations

import pytest

from stackloom_openstack.gnocchi.features import TelemetryFeatures
from stackloom_openstack.masakari.features import MasakariFeatures
from tests.plugins.cloud import CORE, cloud, problems, service

TELEMETRY = ["alarming", "metering", "metric"]
FILES = {"file": {"shared": {"default": True, "pvc": {"size": "10Gi", "storage_class_name": "nfs"}}}}


def test_guests_are_looked_at_on_request_every_ten_seconds() -> None:
    features = cloud({"services": [*CORE, "instance-ha"]}).features_of("masakari", MasakariFeatures)
    assert list(features.monitors.introspective.model_dump().values()) == [False, 10, 2, 3]


def test_the_three_services_of_telemetry_come_together() -> None:
    deployment = cloud({"services": [*CORE, *TELEMETRY]})
    assert deployment.features_of("telemetry", TelemetryFeatures).mode == "autoscaling"


@pytest.mark.parametrize("missing", TELEMETRY)
def test_telemetry_without_one_of_its_services_is_refused(missing: str) -> None:
    found = problems({"services": [*CORE, *(name for name in TELEMETRY if name != missing)]})
    assert found
    assert set(found) == {"spec.features.services"}


def test_an_object_store_needs_anything_in_ceph() -> None:
    wanted = {"services": [*CORE, "object-storage"]}
    assert problems(wanted) == []
    assert problems({**wanted, "glance": {"backends": FILES}}) == ["spec.features.services"]
    with_volumes = {"services": [*wanted["services"], "block-storage"], "glance": {"backends": FILES}}
    assert problems(with_volumes) == []


def test_an_object_store_alone_with_keystone_has_no_ceph_that_is_known_of() -> None:
    assert problems({"services": ["identity", "object-storage"]}) == ["spec.features.services"]


@pytest.mark.parametrize("name", ["heat", "placement"])
def test_a_service_without_features_has_no_subtree(name: str) -> None:
    assert service(name).features is None
    assert problems({name: {}}) == [f"spec.features.{name}"]
