from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import mariadb_controller
import mariadb_election
import pytest
from kube import Kube, Unavailable
from mariadb_controller import LEASE, STUCK_SECONDS, Controller, event, main, needs
from program import Failure

from stackloom.infra.mariadb import MARIADB
from tests.core.infra.built import built


@pytest.fixture
def controller() -> Controller:
    """One that does not run, and that no API answers."""
    api = Kube(host="127.0.0.1", port=1, namespace="openstack", directory="/nowhere")
    return Controller(api, "a", agent_port=0, lease_seconds=15)


def granted(rules: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Each verb on each resource with each name that a Role allows."""
    return {
        (verb, resource, name)
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


def test_the_role_allows_what_the_controller_needs_and_beyond_it_only_to_write_to_servers_that_go(tmp_path: Path) -> None:
    output = built(MARIADB, tmp_path)
    wanted = {(verb, of.plural, name) for verb, of, name in needs(output["StatefulSet/mariadb-server"]["spec"]["replicas"])}
    more = granted(output["Role/mariadb-controller"]["rules"]) - wanted
    assert wanted <= granted(output["Role/mariadb-controller"]["rules"])
    assert {(verb, of) for verb, of, _ in more} <= {("patch", "pods")}
    assert all(name.startswith("mariadb-server-") for *_, name in more)


def test_the_programs_agree_on_the_names_of_the_objects(tmp_path: Path) -> None:
    output = built(MARIADB, tmp_path)
    names = dict(label.split("=") for label in mariadb_controller.SELECTOR.split(","))
    for path in ("StatefulSet/mariadb-server", "Deployment/mariadb-controller"):
        labels = output[path]["spec"]["template"]["metadata"]["labels"]
        assert (names.items() <= labels.items()) == (path == "StatefulSet/mariadb-server")
    assert output["Service/mariadb"]["spec"]["selector"].items() >= {"mariadb_role": "primary"}.items()
    assert mariadb_election.STATEFUL_SET == mariadb_controller.STATEFUL_SET == "mariadb-server"


def test_a_thread_that_does_not_come_round_makes_the_process_unhealthy(controller: Controller) -> None:
    controller._beats = {"rounds": time.monotonic(), "watch": time.monotonic() - STUCK_SECONDS - 1}
    assert controller._health_page() == (HTTPStatus.INTERNAL_SERVER_ERROR, "stuck: watch\n")
    controller._beats["watch"] = time.monotonic()
    assert controller._health_page() == (HTTPStatus.OK, "ok\n")


def test_it_is_not_ready_before_it_knows_what_it_may_do_and_says_what_it_may_not(controller: Controller) -> None:
    assert controller._ready_page()[0] == HTTPStatus.SERVICE_UNAVAILABLE
    controller._lacking = ["patch pods mariadb-server-2", "create events"]
    assert controller._ready_page() == (503, "the Role lacks: patch pods mariadb-server-2, create events\n")
    controller._lacking = []
    assert controller._ready_page() == (HTTPStatus.OK, "ok\n")


def test_what_goes_wrong_again_and_again_is_said_once_and_counted(
    controller: Controller, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> float:
        raise Unavailable("the API does not answer")

    for _ in range(3):
        controller._guarded("watch", fail)
    assert capsys.readouterr().out == "the API does not answer\n"
    assert 'mariadb_controller_api_errors_total{kind="Unavailable"} 3' in controller.metrics.text()


def test_what_nobody_foresaw_in_a_thread_ends_the_process(controller: Controller) -> None:
    def fail() -> float:
        raise ZeroDivisionError

    controller._start("watch", fail)
    deadline = time.monotonic() + 5
    while controller._broken is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert isinstance(controller._broken, ZeroDivisionError)


def test_an_event_is_about_its_object_and_says_who_made_it() -> None:
    body = event("openstack", {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}, "BecamePrimary", "It did.")
    assert body["involvedObject"] == {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "namespace": "openstack"}
    assert (body["source"]["component"], body["type"], body["message"]) == (LEASE, "Normal", "It did.")


def test_a_setting_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "a")
    monkeypatch.setenv("LEASE_SECONDS", "long")
    with pytest.raises(Failure, match="LEASE_SECONDS must be a whole number, not 'long'"):
        main([])
