from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from stackloom.cli import app
from tests.conftest import SMALLEST

BACKED_UP = SMALLEST + "    database: {backup: {enabled: true}}\n"


def said(*arguments: str) -> list[dict[str, Any]]:
    """The manifests that ``stackloom db`` writes."""
    result = CliRunner().invoke(app, ["db", *arguments])
    assert result.exit_code == 0, result.exception
    return list(yaml.safe_load_all(result.output))


def refused(*arguments: str) -> str:
    return str(CliRunner().invoke(app, ["db", *arguments]).exception)


def test_the_order_to_start_from_a_server_changes_nothing_but_an_annotation(workplace: Path) -> None:
    (order,) = said("force-bootstrap", "mariadb-server-0")
    assert order["kind"] == "ConfigMap"
    assert order["metadata"] == {
        "name": "mariadb-state",
        "namespace": "openstack",
        "annotations": {"stackloom.io/force-bootstrap": "mariadb-server-0"},
    }
    assert order.keys() == {"apiVersion", "kind", "metadata"}


def test_a_restore_is_a_job_with_an_account_that_may_order_it(workplace: Path) -> None:
    (workplace / "deployment.yaml").write_text(BACKED_UP)
    made = {body["kind"]: body for body in said("restore", "--to", "2026-01-02T03:04:05+02:00")}
    assert made.keys() == {"ServiceAccount", "Role", "RoleBinding", "Job"}
    (container,) = made["Job"]["spec"]["template"]["spec"]["containers"]
    assert container["command"][-1] == "2026-01-02T01:04:05Z"
    (rule,) = made["Role"]["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == (["mariadb-state"], ["get", "patch"])


def test_a_restore_is_to_a_time_a_backup_or_all_there_is(workplace: Path) -> None:
    (workplace / "deployment.yaml").write_text(BACKED_UP)
    for to in ("latest", "20260102T030405Z-full"):
        (*_, job) = said("restore", "--to", to)
        assert job["spec"]["template"]["spec"]["containers"][0]["command"][-1] == to


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("yesterday", "'yesterday' is no time, no backup's id, and not latest"),
        ("2026-01-02T03:04:05", "may mean several moments. Add the zone"),
        ("2999-01-01T00:00:00Z", "has not come yet"),
    ],
)
def test_what_is_no_moment_is_refused(workplace: Path, to: str, why: str) -> None:
    (workplace / "deployment.yaml").write_text(BACKED_UP)
    assert why in refused("restore", "--to", to)


def test_what_cannot_be_ordered_is_refused(workplace: Path) -> None:
    assert "this cloud has no server 'mariadb-server-9'" in refused("force-bootstrap", "mariadb-server-9")
    assert "this cloud keeps no backups" in refused("restore", "--to", "latest")
