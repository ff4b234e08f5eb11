from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stackloom.constructs.component import Component, new_app
from stackloom.infra.image_cache import COMPONENT, PAUSE, TOOL, build_image_cache
from stackloom.manifests.pod import Container, Pod
from stackloom.manifests.workloads import Identity, cron_job, deployment
from stackloom.model.output import Output
from stackloom.model.placement import NodeRole
from stackloom.spec import loader
from stackloom.spec.deployment import OpenStackDeployment
from stackloom.spec.source import Source
from tests.bad_inputs import USUAL, patched
from tests.core.infra.built import CLIENT

LABELS = {"app.kubernetes.io/name": COMPONENT, "application": COMPONENT, "component": COMPONENT}
DIGEST = "sha256:" + "0" * 64


def cloud(**images: Any) -> OpenStackDeployment:
    data = patched(USUAL, {"spec": {"features": {"services": [CLIENT.type]}, "images": images}})
    return loader.load(Source.from_mapping(data), [CLIENT])


def runs(*images: str, role: NodeRole | None = NodeRole.CONTROL_PLANE, job: bool = False) -> Output:
    """A workload that runs the last of the images and, before it, the others as init containers."""
    init, last = [Container(name=f"c{i}", image=image, command=["x"]) for i, image in enumerate(images)], -1
    who = Identity(name=images[-1].partition(":")[0], namespace="openstack", labels={"application": "x", "component": "y"})
    pod = Pod(containers=[init[last]], init=init[:last], role=role)
    return Output(who.name, cron_job(who, pod, schedule="@daily") if job else deployment(who, pod, replicas=1))


@pytest.fixture
def cache(tmp_path: Path) -> Component:
    return Component(new_app(tmp_path), COMPONENT, namespace="openstack", level=0)


def pulled(component: Component, output: Sequence[Output], **images: Any) -> dict[str, list[str]]:
    """The images that each DaemonSet pulls, in order, by its name without the hash."""
    build_image_cache(component, LABELS, cloud(**images), output)
    return {name_of(body): [c["image"] for c in body["spec"]["template"]["spec"]["initContainers"]] for body in sets(component)}


def sets(component: Component) -> list[dict[str, Any]]:
    return [body for body in component.bodies() if body["kind"] == "DaemonSet"]


def name_of(body: dict[str, Any]) -> str:
    return str(body["metadata"]["name"]).rpartition("-")[0]


BUSYBOX = TOOL.reference("gazpacho")


def test_a_node_pulls_what_can_run_there_and_nothing_else(cache: Component) -> None:
    output = [runs("gate:1", "horizon:1"), runs("nova:1", role=NodeRole.COMPUTE), runs("gate:1", "dhcp:1", role=NodeRole.GATEWAY)]
    assert pulled(cache, output) == {
        "image-cache-control-plane": [BUSYBOX, "gate:1", "horizon:1"],
        "image-cache-compute": [BUSYBOX, "nova:1"],
        "image-cache-gateway": [BUSYBOX, "dhcp:1", "gate:1"],
    }


def test_images_of_jobs_are_pulled_too_and_each_once(cache: Component) -> None:
    output = [runs("tempest:1", job=True), runs("gate:1", "api:1"), runs("gate:1", "worker:1")]
    assert pulled(cache, output) == {"image-cache-control-plane": [BUSYBOX, "api:1", "gate:1", "tempest:1", "worker:1"]}


def test_what_names_no_kind_of_node_may_run_on_each(cache: Component) -> None:
    assert set(pulled(cache, [runs("any:1", role=None)])) == {
        f"image-cache-{role}" for role in ("control-plane", "compute", "openvswitch", "gateway")
    }


def test_other_images_make_another_daemonset_that_never_fights_the_old_one(cache: Component) -> None:
    pulled(cache, [runs("api:1")])
    (old,) = copy.deepcopy(sets(cache))
    pulled(cache, [runs("api:2")])
    (new,) = sets(cache)
    assert name_of(new) == name_of(old)
    assert new["metadata"]["name"] != old["metadata"]["name"]
    assert new["spec"]["selector"] != old["spec"]["selector"]
    assert new["spec"]["selector"]["matchLabels"].items() <= new["spec"]["template"]["metadata"]["labels"].items()


def test_the_same_images_leave_what_is_there_as_it_is(cache: Component) -> None:
    pulled(cache, [runs("api:1")])
    (before,) = sets(cache)
    before["metadata"]["annotations"] = {"mine": "kept"}
    pulled(cache, [runs("api:1"), *(Output(COMPONENT, body) for body in cache.bodies())])
    assert sets(cache) == [before]


def test_no_roll_out_waits_for_a_slow_node(cache: Component) -> None:
    pulled(cache, [runs("api:1")])
    (body,) = sets(cache)
    assert body["spec"]["updateStrategy"] == {"type": "OnDelete"}  # Argo CD counts it as healthy at once


def test_its_pods_do_no_work_and_ask_for_next_to_nothing(cache: Component) -> None:
    pulled(cache, [runs("api:1")])
    spec = sets(cache)[0]["spec"]["template"]["spec"]
    (waiting,) = spec["containers"]
    assert (waiting["image"], waiting["command"]) == (PAUSE.reference("gazpacho"), ["/pause"])
    assert not spec["automountServiceAccountToken"]
    assert "tolerations" not in spec
    for container in (*spec["initContainers"], waiting):
        assert container["resources"]["requests"] == {"cpu": "1m", "memory": "4Mi"}
        assert container["securityContext"]["readOnlyRootFilesystem"]


def test_an_image_without_a_shell_runs_the_program_that_the_first_container_brings(cache: Component) -> None:
    pulled(cache, [runs("etcd:1")])
    bring, pull = sets(cache)[0]["spec"]["template"]["spec"]["initContainers"]
    assert bring["command"] == ["cp", "/bin/busybox", "/stackloom/true"]
    assert pull["command"] == ["/stackloom/true"]
    assert {"name": "program", "mountPath": "/stackloom", "readOnly": True} in pull["volumeMounts"]


def test_its_own_images_come_from_the_mirror_by_their_digests(cache: Component) -> None:
    (images,) = pulled(cache, [runs("api:1")], registry="mirror.example.org", digests={BUSYBOX: DIGEST}).values()
    assert images == [f"mirror.example.org/library/busybox:1.37.0-musl@{DIGEST}", "api:1"]
