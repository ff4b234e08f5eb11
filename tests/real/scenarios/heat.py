"""Heat: stacks that are made, changed and removed, and a signal from outside."""

from __future__ import annotations

import time
from typing import Any

import requests

from tests.real.boot.scenario import DOMAIN, RunningCloud, Scenario

PATIENCE_SECONDS = 120

RANDOM: dict[str, Any] = {
    "heat_template_version": "2021-04-16",
    "parameters": {"length": {"type": "number", "default": 12}, "word": {"type": "string", "hidden": True, "default": "sesame"}},
    "resources": {
        "token": {"type": "OS::Heat::RandomString", "properties": {"length": {"get_param": "length"}}},
        "test": {
            "type": "OS::Heat::TestResource",
            "properties": {"value": {"get_attr": ["token", "value"]}, "wait_secs": 1},
        },
        "kept": {"type": "OS::Heat::Value", "properties": {"value": {"get_param": "word"}}},
    },
    "outputs": {"token": {"value": {"get_attr": ["test", "output"]}}, "word": {"value": {"get_attr": ["kept", "value"]}}},
}
WAITING: dict[str, Any] = {
    "heat_template_version": "2021-04-16",
    "resources": {
        "handle": {"type": "AWS::CloudFormation::WaitConditionHandle"},
        "condition": {
            "type": "AWS::CloudFormation::WaitCondition",
            "depends_on": "handle",
            "properties": {"Handle": {"get_resource": "handle"}, "Timeout": 300},
        },
    },
    "outputs": {"url": {"value": {"get_resource": "handle"}}, "data": {"value": {"get_attr": ["condition", "Data"]}}},
}


def outputs(stack: Any) -> dict[str, Any]:
    return {output["output_key"]: output["output_value"] for output in stack.outputs}


def settled(cloud: RunningCloud, name: str, status: str) -> Any:
    """The stack once it is in this state."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        stack = cloud.admin.orchestration.get_stack(name)
        if stack.status == status:
            return stack
        assert "FAILED" not in stack.status, f"{stack.status}: {stack.status_reason}"
        assert time.monotonic() < until, f"{name} is {stack.status}, not {status}"
        time.sleep(1)


def a_stack_is_made_changed_and_removed(cloud: RunningCloud) -> None:
    orchestration = cloud.admin.orchestration
    orchestration.create_stack(name="random", template=RANDOM)
    made = outputs(settled(cloud, "random", "CREATE_COMPLETE"))
    assert (len(made["token"]), made["word"]) == (12, "sesame")
    orchestration.update_stack(
        orchestration.find_stack("random", ignore_missing=False), template=RANDOM, parameters={"length": 20}
    )
    assert len(outputs(settled(cloud, "random", "UPDATE_COMPLETE"))["token"]) == 20
    stack = orchestration.find_stack("random", ignore_missing=False)
    orchestration.delete_stack(stack)
    orchestration.wait_for_delete(stack, wait=PATIENCE_SECONDS)
    assert orchestration.find_stack("random") is None


def a_server_signals_through_the_public_address_that_it_was_told_and_nobody_else_does(cloud: RunningCloud) -> None:
    cloud.admin.orchestration.create_stack(name="waiting", template=WAITING)
    until = time.monotonic() + PATIENCE_SECONDS
    url = None
    while not url:
        assert time.monotonic() < until
        stack = cloud.admin.orchestration.get_stack("waiting")
        assert "FAILED" not in stack.status, stack.status_reason
        url = next((o["output_value"] for o in stack.outputs or () if o["output_key"] == "url"), None)
    assert url.startswith(f"https://cloudformation.{DOMAIN}/v1/waitcondition/")
    told = {"Status": "SUCCESS", "Reason": "up", "UniqueId": "one", "Data": "hello"}
    forged = url.replace("Signature=", "Signature=x")
    assert not requests.put(forged, json={**told, "UniqueId": "two"}, verify=str(cloud.authority), timeout=60).ok
    answer = requests.put(url, json=told, verify=str(cloud.authority), timeout=60)
    assert answer.status_code == 200, answer.text
    assert outputs(settled(cloud, "waiting", "CREATE_COMPLETE"))["data"] == '{"one": "hello"}'
    cloud.admin.orchestration.delete_stack(cloud.admin.orchestration.find_stack("waiting", ignore_missing=False))


def the_users_of_stacks_are_in_a_domain_of_their_own(cloud: RunningCloud) -> None:
    identity = cloud.admin.identity
    (domain,) = identity.get("/domains?name=heat").json()["domains"]
    users = identity.get(f"/users?domain_id={domain['id']}").json()["users"]
    assert "heat-domain-admin" in {user["name"] for user in users}
    assert identity.get("/roles?name=heat_stack_user").json()["roles"]


def the_clean_up_of_stacks_and_engines_runs(cloud: RunningCloud) -> None:
    assert cloud.node.run_now("heat-db-purge").phase == "Succeeded"
    assert cloud.node.run_now("heat-engine-cleaner").phase == "Succeeded"


SCENARIO = Scenario(
    services=["orchestration"],
    shows=[
        a_stack_is_made_changed_and_removed,
        a_server_signals_through_the_public_address_that_it_was_told_and_nobody_else_does,
        the_users_of_stacks_are_in_a_domain_of_their_own,
        the_clean_up_of_stacks_and_engines_runs,
    ],
)
