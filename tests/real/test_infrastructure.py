"""Every part of the infrastructure, at each size, on a real Kubernetes API."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from stackloom import Output
from stackloom.fields import Size
from tests.bad_inputs import patched
from tests.core.infra.cloud import cloud, plugins
from tests.real.cluster import Applied, Cluster

pytestmark = pytest.mark.real

EXTERNAL = {"messaging": {"notifications": {"external": {"enabled": True, "topics": ["billing"]}}}}


def versions(applied: Applied) -> dict[str, str]:
    """The state of each object, as the API counts it."""
    return {f"{o['kind']} {o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in applied.objects}


@pytest.mark.parametrize("size", get_args(Size))
def test_the_api_takes_the_infrastructure_as_a_cloud_grows(
    kubernetes: Cluster, manifests: Callable[..., list[Output]], size: str
) -> None:
    deployment = patched(
        cloud(EXTERNAL, size=size, local_volume_storage_class="grown"), {"metadata": {"namespace": "infrastructure"}}
    )
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "infrastructure"}}
    kubernetes.apply([namespace])
    objects = [dict(o.body) for o in manifests(deployment, plugins=plugins())]
    applied, again = kubernetes.apply(objects), kubernetes.apply(objects)
    assert not applied.warnings
    assert versions(applied) == versions(again)
