from __future__ import annotations

import dataclasses

import pytest

from stackloom.checks import External, gates
from tests.core.checks.cloud import API, CONTEXT, IMAGES, JOB, POD, Mistake, changed, cloud, mistakes, said, without

GATE = (*POD, "initContainers", 0)
FIELD = f"{API}: spec.template.spec.initContainers[0]"


@pytest.mark.parametrize("mistake", mistakes("gates"))
def test_a_gate_that_waits_for_what_nothing_makes_is_reported(mistake: Mistake) -> None:
    assert said(gates.check, mistake.output) == [mistake.says]


def test_a_gate_may_wait_for_a_declared_external() -> None:
    output = changed(API, *GATE, "env", 0, "value", to="mariadb,rabbitmq")
    output = changed(API, *GATE, "env", 1, "value", to="database-users", output=output)
    externals = External.of({"Service": ["mariadb", "rabbitmq"], "Job": ["database-users"]})
    assert said(gates.check, output, dataclasses.replace(CONTEXT, externals=externals)) == []


def test_a_job_is_waited_for_by_its_label_and_not_by_its_name() -> None:
    (message,) = said(gates.check, changed(JOB, "metadata", "labels", to={}))
    assert message == f"{FIELD}.env[1].value: the gate waits for the Job 'keystone-db-sync', which nothing makes"


def test_only_the_gate_is_read_as_a_gate() -> None:
    output = changed(API, *GATE, "env", 0, "value", to="nowhere")
    assert said(gates.check, changed(API, *GATE, "name", to="wait", output=output)) == []


def test_a_circle_of_gates_is_reported_once() -> None:
    assert said(gates.check, changed(API, *GATE, "env", 0, "value", to="glance-api")) == [
        (
            f"{API}: spec.template.spec.initContainers: its gate never opens: it waits for the Service glance-api ({IMAGES}), "
            f"which waits for the Service keystone-api ({API}). Break the circle"
        )
    ]


def test_a_gate_that_waits_for_its_own_service_is_a_circle_and_what_waits_for_it_is_none() -> None:
    (message,) = said(gates.check, changed(API, *GATE, "env", 0, "value", to="keystone-api"))
    assert message.startswith(
        f"{API}: spec.template.spec.initContainers: its gate never opens: it waits for the Service keystone-api"
    )


def test_one_of_several_workloads_behind_a_service_is_enough() -> None:
    second = changed(IMAGES, *GATE, "env", to=[])
    other = next(o for o in second if o.path == IMAGES)
    other.body["metadata"]["name"] = "glance-spare"
    assert said(gates.check, [*changed(API, *GATE, "env", 0, "value", to="glance-api"), other]) == []


def test_every_job_of_a_label_must_succeed() -> None:
    waiting = changed(
        JOB, *POD, "initContainers", to=[{"name": "gate", "env": [{"name": "GATE_SERVICES", "value": "keystone-api"}]}]
    )
    late = next(o for o in waiting if o.path == JOB)
    late.body["metadata"]["name"] = "keystone-db-sync-abcdef0123"
    (message,) = said(gates.check, [*cloud(), late])
    assert "it waits for the Job keystone-db-sync (keystone/Job/keystone-db-sync-abcdef0123)" in message


def test_a_service_without_a_selector_is_open() -> None:
    assert (
        said(
            gates.check,
            changed("glance/Service/glance-api", "spec", to={}, output=changed(API, *GATE, "env", 0, "value", to="glance-api")),
        )
        == []
    )


def test_a_missing_service_makes_no_circle() -> None:
    (message,) = said(gates.check, without("keystone/Service/keystone-api"))
    assert message.startswith(
        f"{IMAGES}: spec.template.spec.initContainers[0].env[0].value: the gate waits for the Service 'keystone-api'"
    )
