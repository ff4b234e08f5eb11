from __future__ import annotations

import importlib
import json
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from keystoneauth1 import exceptions

from stackloom.testing.suite import ServiceContract
from tests.plugins import compute
from tests.plugins.compute import Made, Manifests, Snapshots, env_of
from tests.plugins.telemetry import TELEMETRY, cloud

ROOT = Path(__file__).parents[2]
DIRECTORIES = ("core/stackloom/programs", "plugins/stackloom_openstack/ceilometer/programs")
COMPUTE = tuple(service for service in compute.SERVICES if service != "identity")
AGENT = "DaemonSet/ceilometer-compute"


class TestContract(ServiceContract):
    service = "ceilometer"
    spec = TELEMETRY


def ceilometer(manifests: Manifests, *beside: str, **spec: Any) -> Made:
    return Made(manifests(cloud(compute.FEATURES if "compute" in beside else None, beside=beside, **spec)), "ceilometer")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a program as it is imported in the cluster."""
    for directory in DIRECTORIES:
        monkeypatch.syspath_prepend(str(ROOT / directory))
    return importlib.import_module


def test_beside_servers(manifests: Manifests, assert_snapshots: Snapshots):
    found = manifests(cloud(compute.FEATURES, beside=COMPUTE))
    assert_snapshots(o for o in found if o.component == "ceilometer")


def test_without_servers_nothing_runs_on_nodes(manifests: Manifests):
    assert not [name for name in ceilometer(manifests).bodies if name.startswith("DaemonSet")]


def test_the_agent_of_a_node_reads_libvirt_and_has_no_right_beyond_that(manifests: Manifests):
    made = ceilometer(manifests, *COMPUTE)
    pod, agent = made.pod(AGENT), made.container(AGENT, "ceilometer-compute")
    assert [v["hostPath"]["path"] for v in pod["volumes"] if "hostPath" in v] == ["/run/libvirt"]
    (mount,) = [m for m in agent["volumeMounts"] if m["mountPath"] == "/run/libvirt"]
    assert mount["readOnly"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert agent["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert made.conf("ceilometer.conf")["DEFAULT"]["libvirt_uri"].endswith("?socket=/run/libvirt/libvirt-sock-ro")


def test_the_agent_of_a_node_knows_the_bus_and_its_account_and_nothing_else(manifests: Manifests):
    env = env_of(ceilometer(manifests, *COMPUTE).container(AGENT, "ceilometer-compute"))
    secrets = {value[0] for value in env.values() if isinstance(value, tuple)}
    assert secrets == {"ceilometer-notifications", "ceilometer-service-user"}
    assert env["OS_DEFAULT__HOST"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}


def test_nodes_that_are_set_apart_have_an_agent_of_their_own(manifests: Manifests):
    conf = {"metering": {"ceilometer": {"values": {"conf": {"ceilometer": {"DEFAULT": {"libvirt_type": "qemu"}}}}}}}
    made = ceilometer(manifests, *COMPUTE, nodes={"rack::r1": {"services": conf}})
    agents = sorted(name for name in made.bodies if name.startswith("DaemonSet"))
    assert len(agents) == 2
    assert [key for key in made.bodies["ConfigMap/ceilometer-etc"]["data"] if key.startswith("ceilometer-rack")]


def test_it_listens_to_the_clouds_topic_alone_whoever_else_is_told(manifests: Manifests):
    features = {
        "stacklight": {"enabled": True},
        "messaging": {"notifications": {"external": {"enabled": True, "topics": ["billing"]}}},
    }
    conf = Made(manifests(cloud(features)), "ceilometer").conf("ceilometer.conf")
    assert conf["oslo_messaging_notifications"]["topics"] == "notifications"


def test_it_has_no_bus_of_its_own(manifests: Manifests):
    found = manifests(cloud())
    assert "rabbitmq-notifications" in {o.component for o in found}
    assert not {"rabbitmq-ceilometer", "rabbitmq-aodh", "rabbitmq-gnocchi"} & {o.component for o in found}


def test_it_listens_where_designate_speaks(manifests: Manifests):
    assert "notification_control_exchanges = designate\n" in ceilometer(manifests).file("ceilometer.conf")


def test_servers_are_polled_by_the_minute_and_of_the_rest_what_the_cloud_has(manifests: Manifests):
    servers, rest = yaml.safe_load(ceilometer(manifests, "image").file("polling.yaml"))["sources"]
    assert (servers["interval"], "cpu" in servers["meters"]) == (60, True)
    assert (rest["interval"], rest["meters"]) == (3600, ["image.size"])


def test_who_asks_once_an_hour_waits_for_whom_it_asks(manifests: Manifests):
    gate = ceilometer(manifests, "image").container("Deployment/ceilometer-central", "gate")
    assert "glance-api" in env_of(gate)["GATE_SERVICES"].split(",")


def test_samples_and_events_go_to_gnocchi_and_events_to_aodh_too(manifests: Manifests):
    made = ceilometer(manifests)
    (samples,) = yaml.safe_load(made.file("pipeline.yaml"))["sinks"]
    (events,) = yaml.safe_load(made.file("event_pipeline.yaml"))["sinks"]
    assert samples["publishers"] == ["gnocchi://?filter_project=service&filter_domain=service"]
    assert events["publishers"] == [*samples["publishers"], "notifier://?topic=alarm.all"]


def test_the_finest_of_what_is_kept_fits_how_often_servers_are_polled(manifests: Manifests):
    made = ceilometer(manifests)
    policies = json.loads(made.file("archive-policies.json"))["archive_policies"]
    assert {policy["name"] for policy in policies} == {"ceilometer-low", "ceilometer-low-rate"}
    assert {policy["definition"][0]["granularity"] for policy in policies} == {60}


def test_an_agent_that_polls_the_apis_is_missed_for_a_while_before_others_take_its_work(manifests: Manifests):
    env = env_of(ceilometer(manifests).container("Deployment/ceilometer-central", "ceilometer-central"))
    assert env["OS_COORDINATION__BACKEND_URL"].endswith("&membership_timeout=120")


def answering(*answers: Any) -> Any:
    """A session that gives these answers in turn, or raises them; what was asked is in ``asked``."""
    waiting, asked = list(answers), list[Any]()

    def request(url: str, method: str, json: Any) -> Any:
        asked.append((method, url, json["name"]))
        answer = waiting.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(request=request, asked=asked)


def test_a_policy_that_is_there_already_is_left_alone(program: Any, capsys: pytest.CaptureFixture[str]):
    session = answering(SimpleNamespace(), exceptions.Conflict())
    for name in ("new", "old"):
        program("archive_policies").settle(session, "http://gnocchi", {"name": name})
    assert session.asked == [("POST", "http://gnocchi/v1/archive_policy", name) for name in ("new", "old")]
    assert capsys.readouterr().out == "created archive policy new\narchive policy old: is there\n"


@pytest.mark.parametrize(
    ("error", "kind"),
    [(exceptions.ServiceUnavailable(), "Away"), (exceptions.ConnectFailure(), "Away"), (exceptions.BadRequest("no"), "Failure")],
)
def test_gnocchi_is_asked_again_while_it_is_away_and_not_when_it_refuses(program: Any, error: Exception, kind: str):
    policies = program("archive_policies")
    with pytest.raises(policies.Failure) as raised:
        policies.settle(answering(error), "http://gnocchi", {"name": "low"})
    assert type(raised.value).__name__ == kind


def test_an_agent_that_answers_on_its_socket_lives(program: Any, tmp_path: Path):
    path = str(tmp_path / "agent.socket")
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(path)
        agent.listen(1)

        def answer() -> None:
            with agent.accept()[0] as asker:
                asker.sendall(b"cpu 2026-01-01T00:00:00\n" * 9000)

        threading.Thread(target=answer, daemon=True).start()
        assert program("polling_probe").main(path) == 0


def test_an_agent_without_a_socket_does_not(program: Any, tmp_path: Path):
    assert program("polling_probe").main(str(tmp_path / "agent.socket")) == 1
