from __future__ import annotations

from typing import Any

import pytest

from stackloom.checks import invariants
from tests.core.checks.cloud import ABSENT, API, FIRST, IMAGES, JOB, POD, Mistake, body, changed, cloud, mistakes, said, without

SECURITY = (*FIRST, "securityContext")
TEMPLATE = ("spec", "template", "metadata")
WHY = "Do without it, or say why in the annotation stackloom.io/privilege-reason of the Pod"
SEVERAL = [
    "spec.replicas: there are several replicas and no PodDisruptionBudget selects them. Add one with maxUnavailable: 1",
    (
        "spec.template.spec: there are several replicas and nothing keeps them on different nodes. "
        "Add topologySpreadConstraints or podAntiAffinity"
    ),
]
PRIVILEGES = [
    ((*POD, "hostNetwork"), True, ".hostNetwork: the Pod shares Network with its node"),
    ((*POD, "hostPID"), True, ".hostPID: the Pod shares PID with its node"),
    (
        (*POD, "volumes", 1),
        {"name": "fernet", "hostPath": {"path": "/run"}},
        ".volumes[1].hostPath: the Pod sees /run of its node",
    ),
    ((*POD, "securityContext"), {}, ".initContainers[0].securityContext: the container may run as root"),
    (SECURITY, {"runAsUser": 0}, ".containers[0].securityContext: the container may run as root"),
    (SECURITY, {"runAsNonRoot": False}, ".containers[0].securityContext: the container may run as root"),
    (SECURITY, {"privileged": True}, ".containers[0].securityContext.privileged: the container is privileged"),
    (
        SECURITY,
        {"allowPrivilegeEscalation": True},
        ".containers[0].securityContext.allowPrivilegeEscalation: the container may gain privileges",
    ),
    (
        SECURITY,
        {"capabilities": {"add": ["NET_ADMIN", "SYS_NICE"]}},
        ".containers[0].securityContext.capabilities.add: the container has the capabilities NET_ADMIN, SYS_NICE",
    ),
]


@pytest.mark.parametrize(("steps", "value", "message"), PRIVILEGES)
def test_a_privilege_needs_a_reason(steps: tuple[str | int, ...], value: Any, message: str) -> None:
    output = changed(API, *steps, to=value)
    assert said(invariants.check, output)[0] == f"{API}: spec.template.spec{message}. {WHY}"
    output = changed(
        API, *TEMPLATE, "annotations", "stackloom.io/privilege-reason", to="it programs the kernel's flows", output=output
    )
    assert said(invariants.check, output) == []


def test_an_empty_reason_is_none() -> None:
    output = changed(API, *POD, "hostNetwork", to=True)
    output = changed(API, *TEMPLATE, "annotations", "stackloom.io/privilege-reason", to=" ", output=output)
    assert len(said(invariants.check, output)) == 1


@pytest.mark.parametrize("mistake", mistakes("invariants"))
def test_an_object_that_breaks_a_rule_of_the_house_is_reported(mistake: Mistake) -> None:
    assert said(invariants.check, mistake.output) == [mistake.says]


@pytest.mark.parametrize("label", ["app.kubernetes.io/name", "application", "component"])
def test_a_pod_says_what_it_is_of(label: str) -> None:
    output = changed(API, "spec", "replicas", to=1)
    assert said(invariants.check, changed(API, *TEMPLATE, "labels", label, to=ABSENT, output=output)) == [
        f"{API}: spec.template.metadata.labels: the Pod has no label {label}"
    ]


def test_several_replicas_need_a_budget_and_spreading() -> None:
    assert said(invariants.check, changed(IMAGES, "spec", "replicas", to=2)) == [f"{IMAGES}: {rest}" for rest in SEVERAL]


@pytest.mark.parametrize("name", ["x-0123456789", "x-abcdefabcd"])
def test_the_hash_of_a_job_has_ten_hexadecimal_digits(name: str) -> None:
    assert said(invariants.check, changed(JOB, "metadata", "name", to=name)) == []
    assert len(said(invariants.check, changed(JOB, "metadata", "name", to=name[:-1]))) == 1
    assert len(said(invariants.check, changed(JOB, "metadata", "name", to=f"{name[:-1]}g"))) == 1


@pytest.mark.parametrize("wave", ["-50", "0", "20"])
def test_a_wave_is_a_whole_number(wave: str) -> None:
    assert said(invariants.check, changed(API, "metadata", "annotations", "argocd.argoproj.io/sync-wave", to=wave)) == []


@pytest.mark.parametrize("option", ["Replace=true", "Force=true"])
def test_an_application_neither_replaces_nor_forces(option: str) -> None:
    application = body("Application", "x", spec={"syncPolicy": {"syncOptions": ["ServerSideApply=true", option]}})
    assert said(invariants.check, cloud(application)) == [
        (
            f"extra (stackloom-extra 1.0): extra/Application/x: spec.syncPolicy.syncOptions: the sync option {option} deletes "
            "and makes anew what it should update. Leave it out"
        )
    ]


def test_several_replicas_may_come_of_an_autoscaler() -> None:
    autoscaler = body(
        "HorizontalPodAutoscaler", "x", spec={"scaleTargetRef": {"kind": "StatefulSet", "name": "glance-api"}, "minReplicas": 2}
    )
    assert [m.partition(": ")[2] for m in said(invariants.check, cloud(autoscaler))] == SEVERAL


def test_one_replica_needs_neither_a_budget_nor_spreading() -> None:
    output = changed(API, "spec", "replicas", to=1, output=without("keystone/PodDisruptionBudget/keystone-api"))
    assert said(invariants.check, changed(API, *POD, "topologySpreadConstraints", to=[], output=output)) == []


def test_anti_affinity_spreads_too() -> None:
    output = changed(API, *POD, "topologySpreadConstraints", to=[])
    affinity = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}
    assert said(invariants.check, changed(API, *POD, "affinity", to=affinity, output=output)) == []


@pytest.mark.parametrize(
    "source",
    [
        {
            "volumes": [{"name": "x", "projected": {"sources": [{"configMap": {"name": "keystone-etc"}}]}}],
            "containers": [{"name": "api", "volumeMounts": [{"name": "x", "mountPath": "/etc/keystone"}]}],
        },
        {"containers": [{"envFrom": [{"configMapRef": {"name": "keystone-etc"}}]}]},
        {"containers": [{"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "keystone-etc", "key": "x"}}}]}]},
    ],
)
def test_configuration_is_read_in_several_ways(source: dict[str, Any]) -> None:
    checksum = "has no annotation stackloom.io/config-checksum"
    output = changed(API, "spec", "template", "spec", to=source, output=changed(API, *TEMPLATE, "annotations", to={}))
    assert any(checksum in message for message in said(invariants.check, output))


def test_a_change_of_what_only_the_gate_reads_restarts_nothing() -> None:
    gate = {"name": "gate", "volumeMounts": [{"name": "x", "mountPath": "/opt"}]}
    volumes = [{"name": "x", "configMap": {"name": "keystone-etc"}}]
    spec = {"volumes": volumes, "initContainers": [gate], "containers": [{"name": "api"}]}
    output = changed(API, "spec", "template", "spec", to=spec, output=changed(API, *TEMPLATE, "annotations", to={}))
    assert not any("config-checksum" in message for message in said(invariants.check, output))


def test_a_pod_without_configuration_of_the_output_needs_no_checksum() -> None:
    volumes = [{"name": "x", "configMap": {"name": "elsewhere"}}]
    output = changed(API, *POD, "volumes", to=volumes, output=changed(API, *TEMPLATE, "annotations", to={}))
    assert said(invariants.check, output) == []


@pytest.mark.parametrize("image", ["keystone:1", "a/b:2025.1", "r:5000/b@sha256:00", "r:5000/b:1@sha256:00"])
def test_an_image_has_a_tag_or_a_digest(image: str) -> None:
    assert said(invariants.check, changed(API, *FIRST, "image", to=image)) == []
