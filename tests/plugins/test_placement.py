from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]


class TestContract(ServiceContract):
    service = "placement"


def cloud(**spec: Any) -> dict[str, Any]:
    """A small cloud of placement and identity alone, with what differs."""
    data = patched(USUAL, {"spec": {"size": "small", "features": {"services": ["identity", "placement"]}}})
    return patched(data, {"spec": spec})


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "placement")


def test_its_database_is_reached_through_its_own_section(manifests: Manifests):
    (api,) = (o.body for o in manifests(cloud()) if o.path == "placement/Deployment/placement-api")
    env = {e["name"]: e.get("value", "") for e in api["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["OS_PLACEMENT_DATABASE__CONNECTION"].startswith("mysql+pymysql://$(PLACEMENT_DATABASE_DB_USER)")
