from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.real.cluster import Cluster

DIST = Path(__file__).parents[2] / "dist"


@pytest.mark.real
def test_the_api_takes_every_object_of_the_output_and_warns_of_none(kubernetes: Cluster) -> None:
    objects = [yaml.safe_load(path.read_text()) for path in sorted(DIST.rglob("*.yaml"))]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openstack"}}
    applied = kubernetes.apply([namespace, *objects])
    assert not applied.warnings
    again = kubernetes.apply(objects)
    versions = {o["metadata"]["uid"]: o["metadata"]["resourceVersion"] for o in applied.objects}
    assert all(versions[o["metadata"]["uid"]] == o["metadata"]["resourceVersion"] for o in again.objects)
