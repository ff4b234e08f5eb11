from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackloom.manifests.pod import Pod
from stackloom.manifests.workloads import cron_job, daemon_set, deployment, job, stateful_set, volume_claim
from tests.core.manifests.pods import GLANCE, SELECTOR, container

POD = Pod(containers=[container()])
SYNC = dataclasses.replace(GLANCE, name="glance-db-sync")


def test_an_identity_selects_by_the_two_labels_that_never_change():
    assert GLANCE.selector == SELECTOR


def test_a_body_has_name_namespace_and_labels_of_its_own():
    body = GLANCE.body("v1", "ConfigMap", data={"a": "b"})
    body["metadata"]["labels"]["more"] = "x"
    assert body["data"] == {"a": "b"}
    assert "more" not in GLANCE.labels


@pytest.mark.parametrize("make", [lambda w: deployment(w, POD, replicas=1), lambda w: daemon_set(w, POD)])
def test_the_selector_is_the_same_for_every_release(make: Any):
    newer = dataclasses.replace(GLANCE, labels={**GLANCE.labels, "stackloom.io/release": "hibiscus"})
    assert make(GLANCE)["spec"]["selector"] == make(newer)["spec"]["selector"] == {"matchLabels": SELECTOR}


@pytest.mark.parametrize(("replicas", "unavailable"), [(1, 0), (2, 0), (3, 1), (15, 1)])
def test_a_deployment_rolls_without_losing_more_than_it_can_spare(replicas: int, unavailable: int):
    spec = deployment(GLANCE, POD, replicas=replicas)["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == unavailable
    assert spec["replicas"] == replicas


def test_a_rollout_has_as_long_as_gates_may_take_or_longer():
    assert deployment(GLANCE, POD, replicas=1)["spec"]["progressDeadlineSeconds"] == 1800
    assert deployment(GLANCE, POD, replicas=1, deadline_seconds=2400)["spec"]["progressDeadlineSeconds"] == 2400


def test_a_stateful_set_has_claims_and_the_service_that_names_its_pods():
    claim = volume_claim("data", "5Gi", "local")
    spec = stateful_set(GLANCE, POD, replicas=3, service="glance", claims=[claim])["spec"]
    assert (spec["serviceName"], spec["podManagementPolicy"]) == ("glance", "Parallel")
    assert spec["volumeClaimTemplates"] == [claim]
    assert "volumeClaimTemplates" not in stateful_set(GLANCE, POD, replicas=3, service="glance")["spec"]


def test_stateful_pods_may_start_one_by_one():
    assert stateful_set(GLANCE, POD, replicas=3, service="x", parallel=False)["spec"]["podManagementPolicy"] == "OrderedReady"


def test_a_claim_says_all_that_the_api_would_add():
    assert volume_claim("data", "5Gi", None)["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "5Gi"}},
        "volumeMode": "Filesystem",
    }
    shared = volume_claim("data", "5Gi", "cephfs", shared=True)["spec"]
    assert (shared["accessModes"], shared["storageClassName"]) == (["ReadWriteMany"], "cephfs")


def test_an_agent_rolls_node_by_node_unless_a_restart_cuts_traffic():
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    assert daemon_set(GLANCE, POD)["spec"]["updateStrategy"] == rolling
    assert daemon_set(GLANCE, POD, on_delete=True)["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_a_job_is_found_by_the_label_that_has_its_name_without_the_hash():
    body = job(SYNC, POD)
    assert re.fullmatch(r"glance-db-sync-[0-9a-f]{10}", body["metadata"]["name"])
    for metadata in (body["metadata"], body["spec"]["template"]["metadata"]):
        assert metadata["labels"]["stackloom.io/job"] == "glance-db-sync"


def test_a_job_never_removes_itself_because_gates_look_for_it():
    assert "ttlSecondsAfterFinished" not in job(SYNC, POD)["spec"]


images = st.sampled_from(["registry.example.org/glance:1", "registry.example.org/glance:2"])
words = st.lists(st.sampled_from(["glance-manage", "db_sync", "--verbose"]), min_size=1, max_size=3)
jobs = st.tuples(images, words, st.dictionaries(st.sampled_from(["A", "B"]), st.text(max_size=3)), st.integers(60, 62))


def _job(wanted: tuple[str, list[str], dict[str, str], int]) -> dict[str, Any]:
    image, command, env, deadline = wanted
    return job(SYNC, Pod(containers=[container(image=image, command=command, env=env)]), deadline_seconds=deadline)


@given(jobs, jobs)
def test_the_name_of_a_job_changes_when_its_spec_does_and_only_then(one: Any, other: Any):
    first, second = _job(one), _job(other)
    assert (first["metadata"]["name"] == second["metadata"]["name"]) == (first["spec"] == second["spec"])


def test_a_cron_job_never_overlaps_and_keeps_its_failures():
    spec = cron_job(SYNC, POD, schedule="1 0 * * *", suspend=True)["spec"]
    assert (spec["schedule"], spec["suspend"], spec["concurrencyPolicy"]) == ("1 0 * * *", True, "Forbid")
    assert spec["failedJobsHistoryLimit"] == 3
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 6


@pytest.mark.parametrize("make", [job, lambda who, pod: cron_job(who, pod, schedule="@daily")["spec"]["jobTemplate"]["spec"]])
def test_a_pod_that_is_never_restarted_has_one_try_unless_its_node_took_it(make: Any):
    spec = make(SYNC, dataclasses.replace(POD, restart_policy="Never"))
    spec = spec.get("spec", spec)
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert (spec["backoffLimit"], rule["action"], rule["onPodConditions"][0]["type"]) == (0, "Ignore", "DisruptionTarget")
    assert "podFailurePolicy" not in job(SYNC, POD)["spec"]


def test_every_workload_gives_its_pods_its_labels():
    made = [deployment(GLANCE, POD, replicas=1), daemon_set(GLANCE, POD), stateful_set(GLANCE, POD, replicas=1, service="x")]
    assert [m["spec"]["template"]["metadata"]["labels"] for m in made] == [GLANCE.labels] * 3
