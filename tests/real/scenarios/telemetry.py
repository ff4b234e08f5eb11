"""Telemetry: measures become aggregates, notifications become resources, alarms act, and a stack grows with its load."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from keystoneauth1.adapter import Adapter

from tests.real.boot.network import NODE
from tests.real.boot.scenario import RunningCloud, Scenario
from tests.real.scenarios import glance, heat

# What comes in is aggregated within a minute, and alarms are looked at once a minute.
PATIENCE_SECONDS = 240


def api(cloud: RunningCloud, service_type: str) -> Adapter:
    """An API as the administrator finds it in the catalogue, by its public name."""
    return Adapter(cloud.admin.session, service_type=service_type, interface="public", raise_exc=False)


def until(found: Callable[[], Any], what: str) -> Any:
    """What that gives, once it gives anything."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := found()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(1)
    return answer


def made(answer: Any) -> Any:
    """The body of an answer to a request that made something."""
    assert answer.ok, answer.text
    return answer.json()


def measured(cloud: RunningCloud, values: list[float]) -> str:
    """A new resource with the metric ``load``, of which these were measured in the last minutes, one a minute."""
    gnocchi, resource = api(cloud, "metric"), str(uuid.uuid4())
    body = {"id": resource, "metrics": {"load": {"archive_policy_name": "ceilometer-low"}}}
    metric = made(gnocchi.post("/v1/resource/generic", json=body))["metrics"]["load"]
    times = [datetime.now(UTC) - timedelta(minutes=ago) for ago in reversed(range(len(values)))]
    measures = [{"timestamp": at.isoformat(), "value": value} for at, value in zip(times, values, strict=True)]
    assert gnocchi.post(f"/v1/metric/{metric}/measures", json=measures).status_code == 202
    return resource


@contextmanager
def called(calls: list[dict[str, Any]]) -> Iterator[str]:
    """An address outside the cloud, and what was sent there."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer((NODE, 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{NODE}:{server.server_port}/hook"
        server.shutdown()


def what_was_measured_is_read_back_by_the_minute_and_by_five(cloud: RunningCloud) -> None:
    resource = measured(cloud, [1.0, 2.0, 3.0])
    address = f"/v1/resource/generic/{resource}/metric/load/measures?aggregation=mean"
    gnocchi = api(cloud, "metric")
    found = until(lambda: gnocchi.get(address).json(), "metricd aggregates")
    assert [value for _, step, value in found if step == 60] == [1.0, 2.0, 3.0]
    assert 300 in {step for _, step, _ in found}


def an_alarm_on_a_measure_goes_off_and_calls_whom_it_should(cloud: RunningCloud) -> None:
    aodh = api(cloud, "alarming")
    calls: list[dict[str, Any]] = []
    with called(calls) as address:
        rule = {
            "metric": "load",
            "resource_id": measured(cloud, [90.0, 95.0]),
            "resource_type": "generic",
            "aggregation_method": "mean",
            "granularity": 60,
            "comparison_operator": "gt",
            "threshold": 50.0,
        }
        body = {"name": "hot", "type": "gnocchi_resources_threshold", "alarm_actions": [address]}
        alarm = made(aodh.post("/v2/alarms", json={**body, "gnocchi_resources_threshold_rule": rule}))
        until(lambda: calls, "the alarm calls")
        assert (calls[0]["alarm_name"], calls[0]["current"]) == ("hot", "alarm")
        assert aodh.get(f"/v2/alarms/{alarm['alarm_id']}/state").json() == "alarm"
        assert aodh.delete(f"/v2/alarms/{alarm['alarm_id']}").ok


def an_image_becomes_a_resource_which_ends_with_it(cloud: RunningCloud) -> None:
    gnocchi = api(cloud, "metric")
    images: Any = cloud.admin.image
    image = images.create_image("metered", data=b"\0" * 2048, disk_format="raw", container_format="bare", wait=True)
    known = f"/v1/resource/image/{image.id}"
    resource = until(lambda: (answer := gnocchi.get(known)).ok and answer.json(), "Ceilometer hears of the image")
    assert (resource["name"], resource["disk_format"], "image.size" in resource["metrics"]) == ("metered", "raw", True)
    images.delete_image(image)
    until(lambda: gnocchi.get(known).json()["ended_at"], "Ceilometer hears of the end")


def an_alarm_on_an_event_goes_off(cloud: RunningCloud) -> None:
    images: Any = cloud.admin.image
    calls: list[dict[str, Any]] = []

    def tried() -> bool:
        """Who listens knows alarms of a project for a minute before it looks for new ones."""
        images.delete_image(images.create_image("gone", container_format="bare", disk_format="raw", allow_duplicates=True))
        time.sleep(5)
        return bool(calls)

    with called(calls) as address:
        rule = {"event_type": "image.delete", "query": [{"field": "traits.name", "type": "string", "op": "eq", "value": "gone"}]}
        body = {"name": "gone", "type": "event", "alarm_actions": [address], "event_rule": rule}
        made(api(cloud, "alarming").post("/v2/alarms", json=body))
        until(tried, "Aodh hears of the event")
    assert calls[0]["alarm_name"] == "gone"


def a_stack_grows_with_its_load(cloud: RunningCloud) -> None:
    trusted = {"str_replace": {"template": "trust+URL", "params": {"URL": {"get_attr": ["more", "signal_url"]}}}}
    one = {"type": "OS::Heat::RandomString"}
    template = {
        "heat_template_version": "2021-04-16",
        "resources": {
            "group": {
                "type": "OS::Heat::AutoScalingGroup",
                "properties": {"min_size": 1, "max_size": 2, "resource": one},
            },
            "more": {
                "type": "OS::Heat::ScalingPolicy",
                "properties": {
                    "adjustment_type": "change_in_capacity",
                    "auto_scaling_group_id": {"get_resource": "group"},
                    "scaling_adjustment": 1,
                },
            },
            "alarm": {
                "type": "OS::Aodh::GnocchiResourcesAlarm",
                "properties": {
                    "metric": "load",
                    "resource_id": measured(cloud, [90.0, 95.0]),
                    "resource_type": "generic",
                    "aggregation_method": "mean",
                    "granularity": 60,
                    "evaluation_periods": 1,
                    "comparison_operator": "gt",
                    "threshold": 50,
                    "alarm_actions": [trusted],
                },
            },
        },
        "outputs": {"size": {"value": {"get_attr": ["group", "current_size"]}}},
    }
    orchestration = cloud.admin.orchestration
    orchestration.create_stack(name="growing", template=template)
    assert heat.outputs(heat.settled(cloud, "growing", "CREATE_COMPLETE")) == {"size": 1}
    until(lambda: heat.outputs(orchestration.get_stack("growing")) == {"size": 2}, "the alarm signals to Heat")
    orchestration.delete_stack(orchestration.find_stack("growing", ignore_missing=False))


def no_password_is_in_what_gnocchi_says_of_its_configuration(cloud: RunningCloud) -> None:
    said = cloud.node.container("gnocchi-api").said()
    assert cloud.node.secret("gnocchi-gnocchi-database")["password"] not in said
    assert cloud.node.secret("gnocchi-service-user")["password"] not in said


def old_history_is_removed_by_the_clock(cloud: RunningCloud) -> None:
    assert cloud.node.run_now("aodh-db-purge").phase == "Succeeded"


FILES = {"storage": {"file": {"pvc": {"size": "1Gi", "storage_class_name": "shared"}}}}

SCENARIO = Scenario(
    services=["alarming", "image", "metering", "metric", "orchestration"],
    spec={"features": {**glance.SCENARIO.spec["features"], "telemetry": FILES}},
    shows=[
        what_was_measured_is_read_back_by_the_minute_and_by_five,
        an_alarm_on_a_measure_goes_off_and_calls_whom_it_should,
        an_image_becomes_a_resource_which_ends_with_it,
        an_alarm_on_an_event_goes_off,
        a_stack_grows_with_its_load,
        no_password_is_in_what_gnocchi_says_of_its_configuration,
        old_history_is_removed_by_the_clock,
    ],
)
