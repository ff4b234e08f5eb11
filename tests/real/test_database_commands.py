"""Orders for the databases, as the API takes them beside what the servers and the controller write."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from stackloom.cli import app
from tests.real.cluster import Cluster, Object

pytestmark = pytest.mark.real
MERGE = "application/merge-patch+json"


@pytest.mark.usefixtures("workplace")
def test_an_order_leaves_what_the_servers_wrote_and_can_be_given_again(kubernetes: Cluster, namespace: str) -> None:
    deployment = Path("deployment.yaml")
    deployment.write_text(deployment.read_text().replace("  name: cloud\n", f"  name: cloud\n  namespace: {namespace}\n", 1))
    (order,) = yaml.safe_load_all(CliRunner().invoke(app, ["db", "force-bootstrap", "mariadb-server-0"]).output)
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    state: Object = {"metadata": {"name": "mariadb-state"}, "data": {"member.mariadb-server-0": "{}"}}
    assert kubernetes.request("POST", path, state).status == 201
    for _ in range(2):
        kubernetes.apply([order])
        now = kubernetes.request("GET", f"{path}/mariadb-state").object
        assert now["data"] == state["data"]
        assert now["metadata"]["annotations"] == {"stackloom.io/force-bootstrap": "mariadb-server-0"}
        done = {"metadata": {"annotations": {"stackloom.io/force-bootstrap": None}}}  # as the controller does
        assert kubernetes.request("PATCH", f"{path}/mariadb-state", done, content_type=MERGE).status == 200
