from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest

from stackloom.testing.suite import ServiceContract
from tests.plugins.compute import FEATURES, Made, Manifests, Snapshots, cloud, env_of


class TestContract(ServiceContract):
    service = "nova"
    spec: ClassVar = {"features": FEATURES}


@pytest.fixture
def nova(manifests: Manifests) -> Made:
    """A small cloud's Nova."""
    return Made(manifests(cloud()), "nova")


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots) -> None:
    assert_snapshots(o for o in manifests(cloud()) if o.component == "nova")


def test_replicas_and_workers_grow_with_the_cloud(manifests: Manifests) -> None:
    def counts(size: str) -> list[int]:
        made = Made(manifests(cloud(size=size)), "nova")
        names = ("api", "metadata", "conductor", "scheduler", "novncproxy")
        conf = made.conf("nova.conf")
        replicas = [made.bodies[f"Deployment/nova-{name}"]["spec"]["replicas"] for name in names]
        return [*replicas, int(conf["conductor"]["workers"]), int(conf["scheduler"]["workers"])]

    assert [counts(size) for size in ("single", "tiny", "small", "medium")] == [
        [1, 1, 1, 1, 1, 4, 1],
        [3, 3, 3, 3, 3, 1, 1],
        [6, 3, 3, 3, 3, 8, 2],
        [15, 3, 3, 7, 3, 8, 2],
    ]


def test_the_databases_come_before_the_cells_and_all_of_it_before_the_api(nova: Made) -> None:
    pod = nova.pod("Job/nova-db-sync")
    steps = [c for c in pod["initContainers"] if c["name"].startswith("step")]
    said = [" ".join(c["command"]) for c in [*steps, pod["containers"][0]]]
    wanted = ["api_db sync", "cell_v2 map_cell0", "db sync", "cell_v2 create_cell --name cell1"]
    assert all(words in line for words, line in zip(wanted, said, strict=True))
    waits = env_of(nova.container("Job/nova-db-sync", "gate"))["GATE_JOBS"].split(",")
    assert waits == ["nova-create-nova-api", "nova-create-nova", "nova-create-nova-cell0"]
    assert "nova-db-sync" in env_of(nova.container("Deployment/nova-api", "gate"))["GATE_JOBS"]


def test_the_rows_of_cells_hold_no_secret_and_one_user_reaches_both(nova: Made) -> None:
    command = nova.container("Job/nova-db-sync", "step-2")["command"]
    assert command[-1] == "{scheme}://{username}:{password}@{hostname}:{port}/nova_cell0?{query}"
    for name in ("nova", "nova-cell0"):
        job = nova.container(f"Job/nova-create-{name}", f"nova-create-{name}")
        assert env_of(job)["DB_USER"] == ("nova-database", "username")


def test_a_cell_that_is_there_is_no_failure(nova: Made) -> None:
    command = nova.container("Job/nova-db-sync", "nova-db-sync")["command"]
    assert command[:3] == ["bash", "-c", '"$@" || [ $? -eq 2 ]']


def test_metadata_knows_the_secret_of_neutrons_agents_and_no_other_process_does(nova: Made) -> None:
    name, secret = "OS_NEUTRON__METADATA_PROXY_SHARED_SECRET", ("neutron-metadata", "secret")
    readers = [w for w in nova.bodies if w.startswith(("Deployment", "DaemonSet")) and env_of(_main(nova, w)).get(name) == secret]
    assert readers == ["Deployment/nova-metadata"]


def _main(made: Made, workload: str) -> dict[str, Any]:
    container: dict[str, Any] = made.pod(workload)["containers"][0]
    return container


def test_deleted_servers_leave_the_tables_and_then_the_shadow_tables(manifests: Manifests) -> None:
    cleanup = {"database": {"cleanup": {"nova": {"schedule": "3 3 * * *", "age": 7, "batch": 500}}}}
    made = Made(manifests(cloud(cleanup)), "nova")
    assert made.bodies["CronJob/nova-db-purge"]["spec"]["schedule"] == "3 3 * * *"
    archive = made.container("CronJob/nova-db-purge", "step-1")["command"][-1]
    assert '--until-complete --max_rows 500 --before "$(date -d "7 days ago" +%F)"' in archive
    assert made.pod("CronJob/nova-db-purge")["containers"][0]["command"][-4:] == ["db", "purge", "--all", "--all-cells"]


def test_archiving_goes_by_batches_even_where_all_rows_are_asked_for(manifests: Manifests) -> None:
    made = Made(manifests(cloud({"database": {"cleanup": {"nova": {"batch": -1}}}})), "nova")
    assert "--max_rows 1000 " in made.container("CronJob/nova-db-purge", "step-1")["command"][-1]


def test_nothing_is_removed_where_that_is_off(manifests: Manifests) -> None:
    made = Made(manifests(cloud({"database": {"cleanup": {"nova": {"enabled": False}}}})), "nova")
    assert "CronJob/nova-db-purge" not in made.bodies


def test_dead_services_are_found_with_the_services_own_account(nova: Made) -> None:
    pod = nova.pod("CronJob/nova-service-cleaner")
    env = env_of(pod["containers"][0])
    assert env["OS_PASSWORD"] == ("nova-service-user", "password")
    assert pod["serviceAccountName"] == "nova-service-cleaner"
    assert nova.bodies["Role/nova-service-cleaner"]["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]


@pytest.mark.parametrize(
    ("services", "sections"),
    [([], set()), (["block-storage"], {"cinder"}), (["key-manager"], {"barbican"})],
)
def test_others_are_called_where_they_are(manifests: Manifests, services: list[str], sections: set[str]) -> None:
    features = {"services": [*cloud()["spec"]["features"]["services"], *services]}
    conf = Made(manifests(cloud(features)), "nova").conf("nova.conf")
    assert conf.keys() & {"cinder", "barbican"} == sections


def test_every_call_is_audited_once_the_caller_is_known(manifests: Manifests, nova: Made) -> None:
    made = Made(manifests(cloud({"logging": {"cadf": {"enabled": True}}})), "nova")
    assert "keystonecontext audit apiapp" in made.file("api-paste.ini")
    assert "audit" not in nova.file("api-paste.ini")


def test_every_filter_and_application_of_a_pipeline_is_there(nova: Made) -> None:
    text = nova.file("api-paste.ini")
    defined = set(re.findall(r"^\[\w+:(\w+)\]", text, re.MULTILINE))
    named = {word for line in re.findall(r"^(?:pipeline|keystone) = (.*)$", text, re.MULTILINE) for word in line.split()}
    mounted = set(re.findall(r"^/\S* = (\w+)$", text, re.MULTILINE))
    assert named | mounted <= defined


def test_consoles_are_those_that_were_chosen(manifests: Manifests) -> None:
    def proxies(**console: Any) -> set[str]:
        made = Made(manifests(cloud({"nova": {"console": console}})), "nova")
        return {name for name in made.bodies if name.endswith("proxy") and name.startswith("Deployment")}

    vnc, spice = "Deployment/nova-novncproxy", "Deployment/nova-spiceproxy"
    assert proxies() == {vnc}
    assert proxies(spice={"enabled": True}) == {vnc, spice}
    assert proxies(novnc={"enabled": False}) == set()


def test_a_proxy_may_call_every_console_of_a_node_and_users_find_it(nova: Made) -> None:
    egress = nova.bodies["NetworkPolicy/nova"]["spec"]["egress"]
    assert {"port": 5900, "endPort": 6923, "protocol": "TCP"} in [port for rule in egress for port in rule["ports"]]
    assert nova.conf("nova.conf")["vnc"]["novncproxy_base_url"] == "https://novncproxy.cloud.example.org/vnc_lite.html"


def test_consoles_with_tls_are_reached_by_no_weaker_scheme(manifests: Manifests) -> None:
    made = Made(manifests(cloud({"nova": {"console": {"novnc": {"tls": {"enabled": True}}}}})), "nova")
    vnc = made.conf("nova.conf")["vnc"]
    assert vnc["auth_schemes"] == "vencrypt"
    proxy = made.container("Deployment/nova-novncproxy", "nova-novncproxy")
    volume = next(mount["name"] for mount in proxy["volumeMounts"] if vnc["vencrypt_client_key"].startswith(mount["mountPath"]))
    (source,) = (v for v in made.pod("Deployment/nova-novncproxy")["volumes"] if v["name"] == volume)
    assert "nova-console-client-tls" in str(source)
    assert "nova-console-client-tls" not in str(made.pod("Deployment/nova-api"))


def test_new_nodes_are_found_by_one_process(nova: Made) -> None:
    assert "discover_hosts_in_cells_interval" not in nova.file("nova.conf")
    assert nova.bodies["CronJob/nova-discover-hosts"]["spec"]["concurrencyPolicy"] == "Forbid"


def test_images_must_be_signed_where_glance_wants_it(manifests: Manifests, nova: Made) -> None:
    services = [*cloud()["spec"]["features"]["services"], "key-manager"]
    signed = cloud({"services": services, "glance": {"signature": {"enabled": True}}})
    assert Made(manifests(signed), "nova").conf("nova.conf")["glance"]["verify_glance_signatures"] == "true"
    assert nova.conf("nova.conf")["glance"]["verify_glance_signatures"] == "false"
