from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackloom import Container, Image, NodeRole, Output, Probes, Service, ServiceContext, StackloomError, hookimpl
from stackloom.infra.storage import STORAGE
from stackloom.plugins import Plugins, load
from stackloom.testing.synthesis import Synthesis
from tests.bad_inputs import USUAL, patched
from tests.core.infra.built import built
from tests.core.infra.cloud import IDENTITY

Made = dict[str, dict[str, Any]]
KEYRING = {"value_from": {"secret_key_ref": {"name": "ceph-admin", "key": "keyring"}}}
OUTSIDE = {"monitors": ["10.0.0.1:3300", "10.0.0.2:6789"], "provision": {"keyring": KEYRING}}


def images(ctx: ServiceContext) -> None:
    ctx.worker("api", command=["images"], config=[ctx.ceph_files("glance", pools=["images"])], probes=Probes(command=("true",)))


def servers(ctx: ServiceContext) -> None:
    files = ctx.ceph_files("cinder", pools=["vms", "images"], named=["scratch"])
    ctx.agent("compute", role_of_nodes=NodeRole.COMPUTE, command=["servers"], config=[files], probes=Probes(command=("true",)))
    key = Container(name="key", image=ctx.image("toolbox"), command=["true"], env={"KEY": ctx.ceph_user_key("cinder")})
    ctx.worker("libvirt", command=["libvirt"], init=[key], probes=Probes(command=("true",)))
    ctx.worker("scheduler", command=["schedule"], probes=Probes(command=("true",)))


def volumes(ctx: ServiceContext) -> None:
    files = ctx.ceph_files("cinder", pools=["volumes"], reads=["images"])
    ctx.worker("volume", command=["volumes"], config=[files], probes=Probes(command=("true",)))


def sample(name: str, build: Callable[[ServiceContext], Any]) -> Service:
    return Service(name=name, type=name, build=build, uses=frozenset({"ceph"}), images={name: Image("example.org/x", "1")})


class _Plugin:
    """Three services that may keep data in Ceph, and one that has nothing to do with it."""

    def __init__(self, *builds: tuple[str, Callable[[ServiceContext], Any]]) -> None:
        self.services = [IDENTITY, *(sample(name, build) for name, build in builds)]

    @hookimpl
    def stackloom_services(self) -> list[Service]:
        """The services."""
        return self.services


ALL = (("images", images), ("servers", servers), ("volumes", volumes))


def plugins(*builds: tuple[str, Callable[[ServiceContext], Any]]) -> Plugins:
    return load(entry_points=[], extra={"sample": _Plugin(*builds)})


@pytest.fixture
def cloud(tmp_path: Path) -> Callable[..., Made]:
    """The objects of a cloud, by ``component/kind/name``, of a Job without its hash; all checks have passed."""

    def made(*builds: tuple[str, Callable[[ServiceContext], Any]], ceph: dict[str, Any] | None = None) -> Made:
        services = ["identity", *(name for name, _ in builds)]
        features = {"services": services, **({"ceph": ceph} if ceph else {})}
        with Synthesis.below(tmp_path) as synthesis:
            output = synthesis(patched(USUAL, {"spec": {"features": features}}), plugins=plugins(*builds))
        return {name(o): dict(o.body) for o in output}

    def name(o: Output) -> str:
        return f"{o.component}/{o.kind}/{o.labels.get('stackloom.io/job', o.name)}"

    return made


def pod(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["spec"].get("jobTemplate", body)["spec"]["template"]["spec"]
    return found


def wanted(made: Made) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made["ceph/ConfigMap/ceph-etc"]["data"]["ceph.json"])
    return found


def waits_for(made: Made, path: str) -> str:
    gates = [c for c in pod(made[path]).get("initContainers", ()) if c["name"] == "gate"]
    return "".join(e["value"] for gate in gates for e in gate["env"] if e["name"] == "GATE_LASTING_JOBS")


def test_a_user_may_do_what_any_of_its_services_asked_for(cloud: Callable[..., Made]) -> None:
    glance, cinder = reversed(wanted(cloud(*ALL))["users"])
    assert glance == {"name": "glance", "kept_in": "ceph-client-glance", "pools": ["images"], "reads": []}
    assert cinder["pools"] == ["images", "scratch", "vms", "volumes"]
    assert cinder["reads"] == []


def test_who_makes_its_pools_itself_has_the_rights_that_it_names(cloud: Callable[..., Made]) -> None:
    rights = {"mon": "allow rw", "osd": "allow rwx tag rgw *=*"}

    def objects(ctx: ServiceContext) -> None:
        files = ctx.ceph_files("rgw", rights=rights)
        ctx.worker("api", command=["objects"], config=[files], probes=Probes(command=("true",)))

    found = wanted(cloud(("objects", objects)))
    assert found["users"] == [{"name": "rgw", "kept_in": "ceph-client-rgw", "pools": [], "reads": [], "rights": rights}]
    assert found["pools"] == []


def test_who_only_reads_a_pool_does_not_have_it_made(cloud: Callable[..., Made]) -> None:
    found = wanted(cloud(("volumes", volumes)))
    assert found["users"][0]["reads"] == ["images"]
    assert found["pools"] == ["volumes"]


def test_nothing_is_there_where_nobody_asked(cloud: Callable[..., Made]) -> None:
    assert not [path for path in cloud(("images", lambda _: None)) if path.startswith("ceph/")]
    assert not [path for path in cloud() if path.startswith("ceph/")]


def test_another_pool_is_another_job(cloud: Callable[..., Made]) -> None:
    first, second = (
        cloud(*ALL, ceph=ceph)["ceph/Job/ceph-clients"]["metadata"]["name"] for ceph in ({}, {"pools": {"vms": "vms-ssd"}})
    )
    assert first != second


def test_pods_with_the_files_or_the_key_wait_for_the_job_and_others_do_not(cloud: Callable[..., Made]) -> None:
    made = cloud(*ALL)
    readers = ("images/Deployment/images-api", "servers/DaemonSet/servers-compute", "servers/Deployment/servers-libvirt")
    assert {waits_for(made, path) for path in readers} == {"ceph-clients"}
    assert waits_for(made, "servers/Deployment/servers-scheduler") == ""


def test_only_the_job_reads_the_key_of_an_administrator(cloud: Callable[..., Made]) -> None:
    made = cloud(*ALL, ceph=OUTSIDE)
    assert [path for path, body in made.items() if "ceph-admin" in json.dumps(body)] == ["ceph/Job/ceph-clients"]
    assert "ceph/CronJob/ceph-refresh" not in made


def test_with_rook_the_job_reads_two_objects_there_and_follows_the_monitors(cloud: Callable[..., Made]) -> None:
    made = cloud(*ALL, ceph={"rook": {"namespace": "storage"}})
    role = made["ceph/Role/openstack-ceph"]
    assert role["metadata"]["namespace"] == "storage"
    named = [(rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in role["rules"]]
    assert named == [(["configmaps"], ["rook-ceph-mon-endpoints"], ["get"]), (["secrets"], ["rook-ceph-mon"], ["get"])]
    job, refresh = made["ceph/Job/ceph-clients"], made["ceph/CronJob/ceph-refresh"]
    assert pod(job)["containers"][0]["command"] == pod(refresh)["containers"][0]["command"]
    assert wanted(made)["rook"] == "storage"


def test_the_job_writes_no_secrets_but_those_of_the_users(cloud: Callable[..., Made]) -> None:
    create, change = cloud(*ALL)["ceph/Role/ceph-clients"]["rules"]
    assert create == {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
    assert change["resourceNames"] == ["ceph-client-cinder", "ceph-client-glance"]
    assert change["verbs"] == ["get", "patch"]


def test_where_the_operator_makes_the_secrets_nothing_is_made_and_nobody_waits(cloud: Callable[..., Made]) -> None:
    made = cloud(*ALL, ceph={"monitors": ["10.0.0.1:3300"], "provision": {"enabled": False}})
    assert not [path for path in made if path.startswith("ceph/")]
    assert waits_for(made, "images/Deployment/images-api") == ""


def test_who_asks_reaches_monitors_and_osds_anywhere(cloud: Callable[..., Made]) -> None:
    made = cloud(*ALL)
    for name in ("images", "ceph"):
        egress = made[f"{name}/NetworkPolicy/{name}"]["spec"]["egress"]
        assert next(rule["ports"] for rule in egress if "to" not in rule) == [
            {"port": 3300, "protocol": "TCP"},
            {"port": 6789, "protocol": "TCP"},
            {"port": 6800, "endPort": 7568, "protocol": "TCP"},
        ]


def test_copies_and_application_are_those_of_the_deployment(cloud: Callable[..., Made]) -> None:
    found = wanted(cloud(*ALL, ceph={"provision": {"replicas": 2, "application": "cloud"}}))
    assert (found["size"], found["application"]) == (2, "cloud")
    assert "size" not in wanted(cloud(*ALL))


def test_a_pool_that_is_for_nothing_is_a_mistake_of_the_plugin(cloud: Callable[..., Made]) -> None:
    with pytest.raises(StackloomError, match="asks for a pool for 'pictures'"):
        cloud(("images", lambda ctx: ctx.ceph_pool("pictures")))


def test_who_asks_without_declaring_it_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StackloomError, match="asks for 'ceph' without declaring that it needs it"):
        built(STORAGE, tmp_path).context.ceph_files("glance", pools=["images"])
