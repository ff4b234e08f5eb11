from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import patched
from tests.plugins.compute import FEATURES, SERVICES
from tests.plugins.compute import cloud as compute_cloud

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]

FLOATING = {
    "external_networks": [{"physnet": "physnet1", "interface": "ens4", "bridge": "br-ex", "network_types": ["flat"]}],
    "floating_network": {
        "enabled": True,
        "name": "outside",
        "physnet": "physnet1",
        "subnet": {"range": "10.11.12.0/24", "pool_start": "10.11.12.100", "pool_end": "10.11.12.200", "gateway": "10.11.12.1"},
    },
}
NFS = {
    "volume_backend_name": "nas",
    "volume_driver": "cinder.volume.drivers.nfs.NfsDriver",
    "nas_host": "10.0.0.5",
    "nas_share_path": "/volumes",
}
NAS = {
    "type": "statefulset",
    "values": {"conf": {"cinder": {"DEFAULT": {"enabled_backends": "nas"}, "nas": NFS}}},
}


class TestContract(ServiceContract):
    service = "tempest"
    spec: ClassVar = {"features": FEATURES}


def cloud(features: dict[str, Any] | None = None, more: Iterable[str] = (), **spec: Any) -> dict[str, Any]:
    """A small cloud with Tempest and what it requires, ``more`` services, and what differs."""
    data = patched(compute_cloud(), {"spec": {"features": {"services": [*SERVICES, *more, "tempest"]}}})
    return patched(data, {"spec": {**spec, "features": features or {}}})


def tempest(output: Iterable[Output]) -> dict[str, dict[str, Any]]:
    """Its objects by kind and name, a Job without its hash."""
    return {f"{o.kind}/{o.labels.get('stackloom.io/job', o.name)}": o.body for o in output if o.component == "tempest"}


def etc(output: Iterable[Output]) -> dict[str, str]:
    data: dict[str, str] = tempest(output)["ConfigMap/tempest-etc"]["data"]
    return data


def section(output: Iterable[Output], name: str) -> dict[str, str]:
    """A section of tempest.conf."""
    text = etc(output)["tempest.conf"].partition(f"[{name}]\n")[2].partition("\n[")[0]
    pairs = (line.partition(" = ") for line in text.splitlines() if line)
    return {option: value for option, _, value in pairs}


def pod(body: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = body["spec"].get("jobTemplate", body)["spec"]["template"]["spec"]
    return spec


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "tempest")


def test_it_comes_only_when_it_is_asked_for(manifests: Manifests):
    assert tempest(manifests(compute_cloud())) == {}


def test_the_smoke_tests_run_but_for_those_that_log_in_to_servers(manifests: Manifests):
    plan = json.loads(etc(manifests(cloud()))["tests.json"])
    assert plan["include"] == [r"^tempest\..*\[.*\bsmoke\b"]
    assert plan["exclude"][0].startswith(r"^tempest\.scenario\.")


def test_tests_of_absent_services_do_not_run_though_their_plugins_are_in_the_image(manifests: Manifests):
    chosen = {"tempest": {"include": ["."], "exclude": []}}
    plain, whole = (
        json.loads(etc(manifests(cloud(chosen, more)))["tests.json"]) for more in ((), ("key-manager", "orchestration"))
    )
    assert plain["exclude"] == [r"^barbican_tempest_plugin\.", r"^heat_tempest_plugin\."]
    assert whole["exclude"] == []


def test_a_run_is_not_repeated_because_a_test_failed(manifests: Manifests):
    found = tempest(manifests(cloud()))
    for spec in (found["Job/tempest-run"]["spec"], found["CronJob/tempest-run"]["spec"]["jobTemplate"]["spec"]):
        assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")


@pytest.mark.parametrize(("schedule", "suspended"), [(None, True), ("0 3 * * 0", False)])
def test_it_runs_by_the_clock_only_where_that_is_wanted(manifests: Manifests, schedule: str | None, suspended: bool):
    spec = tempest(manifests(cloud({"tempest": {"schedule": schedule}})))["CronJob/tempest-run"]["spec"]
    assert spec["suspend"] is suspended
    assert schedule in (None, spec["schedule"])


def test_by_hand_and_by_the_clock_the_same_runs_as_by_itself(manifests: Manifests):
    found = tempest(manifests(cloud()))
    assert pod(found["CronJob/tempest-run"]) == pod(found["Job/tempest-run"])


def test_another_choice_of_tests_is_another_job(manifests: Manifests):
    def name(**features: Any) -> str:
        return str(tempest(manifests(cloud({"tempest": features})))["Job/tempest-run"]["metadata"]["name"])

    assert name() != name(include=["^tempest"])
    assert name() == name(schedule="@daily")


def test_it_waits_for_all_that_it_tests(manifests: Manifests):
    found = tempest(manifests(cloud(more=["orchestration"])))
    (waits,) = (e["value"] for e in pod(found["Job/tempest-run"])["initContainers"][0]["env"] if e["name"] == "GATE_SERVICES")
    assert {"nova-api", "neutron-server", "heat-api", "placement-api"} <= set(waits.split(","))


def test_the_administrators_password_is_in_no_file(manifests: Manifests):
    found = manifests(cloud())
    (container,) = pod(tempest(found)["Job/tempest-run"])["containers"]
    env = {e["name"]: e.get("valueFrom", {}).get("secretKeyRef") for e in container["env"]}
    assert env["OS_AUTH__ADMIN_PASSWORD"] == {"name": "keystone-admin", "key": "password"}
    assert section(found, "auth") == {"use_dynamic_credentials": "true"}


def test_results_stay_on_a_volume_of_the_clusters_default_class_unless_another_is_named(manifests: Manifests):
    wanted = ({}, {"results": {"size": "5Gi", "storage_class_name": "fast"}})
    specs = [tempest(manifests(cloud({"tempest": f})))["PersistentVolumeClaim/tempest-results"]["spec"] for f in wanted]
    assert [(s["resources"]["requests"]["storage"], s.get("storageClassName")) for s in specs] == [("2Gi", None), ("5Gi", "fast")]


def test_services_are_called_inside_the_cloud(manifests: Manifests):
    found = manifests(cloud())
    assert section(found, "identity")["uri_v3"] == "http://keystone-api.openstack.svc.cluster.local:5000/v3"
    kinds = {name: section(found, name)["endpoint_type"] for name in ("compute", "image", "network", "placement")}
    assert kinds == {"compute": "internalURL", "image": "internalURL", "network": "internalURL", "placement": "internal"}


def test_only_what_the_cloud_has_is_tested(manifests: Manifests):
    plain, more = manifests(cloud()), manifests(cloud(more=["block-storage"]))
    assert [section(found, "service_available")["cinder"] for found in (plain, more)] == ["false", "true"]
    assert section(more, "volume")["catalog_type"] == "volumev3"
    assert section(plain, "volume") == {}


def test_what_ceph_can_do_is_expected_of_ceph_alone(manifests: Manifests):
    other = {"volume": {"enabled": False, "backends": {"nas": NAS}}, "backup": {"enabled": False}}
    ceph, nas = (manifests(cloud({"cinder": features}, ["block-storage"])) for features in ({}, other))
    expected = [section(found, "compute-feature-enabled")["volume_multiattach"] for found in (ceph, nas)]
    assert expected == ["true", "false"]
    assert [section(found, "volume-feature-enabled")["backup"] for found in (ceph, nas)] == ["true", "false"]


def test_floating_addresses_are_tested_on_the_network_that_the_cloud_makes(manifests: Manifests):
    without, having = manifests(cloud()), manifests(cloud({"neutron": FLOATING}))
    assert section(without, "network-feature-enabled")["floating_ips"] == "false"
    assert section(having, "network")["floating_network_name"] == "outside"
    prepare = [json.loads(etc(found)["prepare.json"])["floating_network"] for found in (without, having)]
    assert prepare == [None, "outside"]


@pytest.mark.parametrize("console", ["novnc", "spice"])
def test_consoles_are_tested_through_the_public_name(manifests: Manifests, console: str):
    consoles = {kind: {"enabled": kind == console} for kind in ("novnc", "spice")}
    found = manifests(cloud({"nova": {"console": consoles}}))
    flags = section(found, "compute-feature-enabled")
    assert (flags["vnc_console"], flags["spice_console"]) == (str(console == "novnc").lower(), str(console == "spice").lower())
    egress = tempest(found)["NetworkPolicy/tempest"]["spec"]["egress"]
    assert any(rule["ports"] == [{"port": 443, "protocol": "TCP"}] and "to" not in rule for rule in egress)


def test_an_operator_adds_what_a_plugin_of_tempest_wants_to_know(manifests: Manifests):
    values = {"conf": {"tempest": {"heat_plugin": {"vm_to_heat_api_insecure": True}}}}
    values |= {"unchecked": {"tempest": ["heat_plugin.vm_to_heat_api_insecure"]}}
    found = manifests(cloud(more=["orchestration"], services={"tempest": {"tempest": {"values": values}}}))
    assert section(found, "heat_plugin") == {"vm_to_heat_api_insecure": "true"}


def test_the_examples_of_the_page_are_taken(manifests: Manifests):
    page = (Path(__file__).parents[2] / "docs" / "services" / "tempest.md").read_text()
    examples = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert len(examples) == 3
    for example in examples:
        assert tempest(manifests(patched(cloud(more=["block-storage", "orchestration"]), example)))
