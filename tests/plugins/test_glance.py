from __future__ import annotations

from collections.abc import Callable, Iterable
from configparser import ConfigParser
from typing import Any

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]
API = "glance/Deployment/glance-api"
FILES = {"file": {"files": {"default": True, "pvc": {"size": "100Gi", "storage_class_name": "shared"}}}}


class TestContract(ServiceContract):
    service = "glance"


def cloud(glance: dict[str, Any] | None = None, *others: str, **features: Any) -> dict[str, Any]:
    """A small cloud of images and identity, and of the ``others``, with what differs."""
    services = ["identity", "image", *others]
    return patched(USUAL, {"spec": {"size": "small", "features": {"services": services, "glance": glance or {}, **features}}})


def by_path(output: Iterable[Output]) -> dict[str, Any]:
    """The bodies by path, a Job without its hash."""
    return {f"{o.component}/{o.kind}/{o.labels.get('stackloom.io/job', o.name)}": o.body for o in output}


def conf(made: dict[str, Any], file: str = "glance-api.conf") -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read_string(made["glance/ConfigMap/glance-etc"]["data"][file])
    return parser


def pod(made: dict[str, Any], path: str = API) -> dict[str, Any]:
    found: dict[str, Any] = made[path]["spec"]["template"]["spec"]
    return found


def env(made: dict[str, Any], path: str = API) -> dict[str, Any]:
    return {e["name"]: e.get("value", "") for e in pod(made, path)["containers"][0]["env"]}


def test_images_in_ceph(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component in ("glance", "ceph"))


def test_images_in_files(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud({"backends": FILES})) if o.component == "glance")


def test_without_a_word_images_are_in_one_pool_of_ceph(manifests: Manifests):
    parser = conf(by_path(manifests(cloud(ceph={"pools": {"images": "pictures"}}))))
    assert parser["DEFAULT"]["enabled_backends"] == "rbd:rbd"
    assert parser["glance_store"]["default_backend"] == "rbd"
    assert parser["rbd"]["rbd_store_pool"] == "pictures"


def test_a_store_with_a_pool_of_its_own_has_the_right_to_it_and_to_no_other(manifests: Manifests):
    store = {"rbd": {"fast": {"default": True, "rbd_store_pool": "ssd"}}}
    made = by_path(manifests(cloud({"backends": store})))
    assert conf(made)["fast"]["rbd_store_pool"] == "ssd"
    assert '"ssd"' in made["ceph/ConfigMap/ceph-etc"]["data"]["ceph.json"]
    assert '"images"' not in made["ceph/ConfigMap/ceph-etc"]["data"]["ceph.json"]


def test_without_ceph_there_is_no_word_of_it(manifests: Manifests):
    made = by_path(manifests(cloud({"backends": FILES})))
    assert not [path for path in made if path.startswith("ceph/")]
    assert conf(made)["DEFAULT"]["show_image_direct_url"] == "false"


def test_a_pod_that_staged_an_image_is_the_one_that_imports_it_unless_all_see_it(manifests: Manifests):
    own = "OS_DEFAULT__WORKER_SELF_REFERENCE_URL"
    assert env(by_path(manifests(cloud())))[own] == "http://$(POD_IP):9292"
    made = by_path(manifests(cloud({"backends": FILES})))
    assert own not in env(made)
    assert conf(made)["os_glance_staging_store"]["filesystem_store_datadir"] == "/var/lib/glance/shared/staging"


def test_staged_images_have_a_volume_where_one_is_given(manifests: Manifests):
    made = by_path(manifests(cloud({"staging": {"size": "200Gi", "storage_class_name": "fast"}})))
    (volume,) = [v["ephemeral"] for v in pod(made)["volumes"] if "ephemeral" in v]
    assert volume["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"] == "200Gi"


def test_an_upgrade_takes_nothing_away_until_the_old_api_is_gone(manifests: Manifests):
    made = by_path(manifests(cloud()))
    steps = [c["command"][-1] for c in [*pod(made, "glance/Job/glance-db-sync")["initContainers"]] if "step" in c["name"]]
    assert [*steps, pod(made, "glance/Job/glance-db-sync")["containers"][0]["command"][-1]] == ["expand", "migrate"]
    last = pod(made, "glance/Job/glance-db-contract")
    assert last["containers"][0]["command"] == ["glance-manage", "db", "contract"]
    assert {e["name"]: e.get("value") for e in last["initContainers"][0]["env"]}["GATE_REPLACED"] == "glance"


def test_the_api_alone_sees_the_key_of_ceph(manifests: Manifests):
    made = by_path(manifests(cloud()))
    assert [path for path, body in made.items() if path.startswith("glance/") and "ceph-client-glance" in str(body)] == [API]


def test_rows_go_by_age_and_those_of_images_stay(manifests: Manifests):
    made = by_path(manifests(cloud(database={"cleanup": {"glance": {"age": 60, "batch": 1000}}})))
    (container,) = made["glance/CronJob/glance-db-purge"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["glance-manage", "db", "purge", "--age_in_days", "60", "--max_rows", "1000"]


def test_calls_are_audited_where_that_is_wanted(manifests: Manifests):
    file = "glance-api-paste.ini"
    assert "audit" not in conf(by_path(manifests(cloud())), file)["pipeline:api"]["pipeline"]
    parser = conf(by_path(manifests(cloud(logging={"cadf": {"enabled": True}}))), file)
    assert parser["pipeline:api"]["pipeline"].split()[-2:] == ["audit", "rootapp"]
    assert parser["filter:audit"]["audit_map_file"].endswith("/glance_api_audit_map.conf")


def test_every_filter_of_the_pipeline_has_a_section(manifests: Manifests):
    parser = conf(by_path(manifests(cloud())), "glance-api-paste.ini")
    *filters, app = parser["pipeline:api"]["pipeline"].split()
    assert {f"filter:{name}" for name in filters} <= set(parser.sections())
    assert f"composite:{app}" in parser.sections()


def test_a_pod_whose_workers_all_pass_images_is_not_killed(manifests: Manifests):
    made = by_path(manifests(cloud()))
    container = pod(made)["containers"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthcheck"
    assert container["livenessProbe"]["tcpSocket"] == {"port": "api"}
    assert "threads = 8" in made["glance/ConfigMap/glance-etc"]["data"]["glance-api-uwsgi.ini"]


def test_a_list_that_glance_reads_in_brackets_is_written_so(manifests: Manifests):
    made = by_path(manifests(cloud()))
    text = made["glance/ConfigMap/glance-etc"]["data"]["glance-api.conf"]
    assert "enabled_import_methods = [glance-direct,copy-image]" in text
