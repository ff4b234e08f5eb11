from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched
from tests.plugins import compute
from tests.plugins.compute import FEATURES, Manifests, Snapshots

SERVICES = [*compute.SERVICES, "key-manager", "load-balancer"]
OVN = {"neutron": {**FEATURES["neutron"], "backend": "ml2/ovn"}}
ON_GATEWAYS = ("Deployment/octavia-worker", "Deployment/octavia-housekeeping", "DaemonSet/octavia-health-manager")
CERTIFICATES = "/etc/octavia/certs"


class TestContract(ServiceContract):
    service = "octavia"
    spec: ClassVar = {"features": {**FEATURES, **OVN}}


def cloud(features: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small cloud of Octavia and what it requires, with what differs."""
    data = patched(USUAL, {"spec": {"size": "small", "features": {**FEATURES, "services": SERVICES}}})
    return patched(data, {"spec": {**spec, "features": features or {}}})


def octavia(output: Iterable[Output]) -> dict[str, dict[str, Any]]:
    """Its objects by kind and name, a Job without its hash."""
    return {f"{o.kind}/{o.labels.get('stackloom.io/job', o.name)}": o.body for o in output if o.component == "octavia"}


def pod(body: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = body["spec"]["template"]["spec"]
    return spec


def env(body: dict[str, Any], number: int = 0) -> dict[str, str]:
    """A container's variables, those from Secrets as ``<Secret>/<key>``."""
    found = {}
    for variable in pod(body)["containers"][number].get("env", ()):
        ref = variable.get("valueFrom", {}).get("secretKeyRef")
        found[variable["name"]] = f"{ref['name']}/{ref['key']}" if ref else variable["value"]
    return found


def files(body: dict[str, Any]) -> set[str]:
    """The files from Secrets that the main container sees."""
    mounts = {m["name"]: m["mountPath"] for m in pod(body)["containers"][0]["volumeMounts"]}
    volumes = {
        mounts[v["name"]]: v["projected"]["sources"] for v in pod(body)["volumes"] if v["name"] in mounts and "projected" in v
    }
    secrets = [(path, source["secret"]) for path, sources in volumes.items() for source in sources if "secret" in source]
    return {f"{path}/{item['path']}" for path, secret in secrets for item in secret["items"]}


def etc(output: Iterable[Output]) -> dict[str, str]:
    data: dict[str, str] = octavia(output)["ConfigMap/octavia-etc"]["data"]
    return data


def section(conf: str, name: str) -> str:
    return conf.partition(f"[{name}]\n")[2].partition("\n[")[0]


def wanted(output: Iterable[Output]) -> dict[str, Any]:
    """The Secrets that are made, by name."""
    (text,) = (o.body["data"]["credentials.json"] for o in output if o.path == "credentials/ConfigMap/credentials")
    return {one["name"]: one["keys"] for one in json.loads(text)}


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "octavia")


def test_a_small_cloud_on_ovn(manifests: Manifests, assert_snapshots: Snapshots):
    names = ("octavia-api", "octavia-etc")
    found = manifests(cloud({"neutron": {"backend": "ml2/ovn"}}))
    assert_snapshots(o for o in found if o.component == "octavia" and o.kind != "Ingress" and o.name in names)


@pytest.mark.parametrize("path", ON_GATEWAYS)
def test_what_calls_amphorae_runs_on_gateways_after_their_interface_is_there(manifests: Manifests, path: str):
    found = pod(octavia(manifests(cloud()))[path])
    assert found["nodeSelector"] == {"openstack-gateway": "enabled"}
    assert found["hostNetwork"] is True
    assert "stackloom.io/agent=interface" in str(found["initContainers"][0])


def test_nothing_on_gateways_is_root_but_what_makes_the_interface(manifests: Manifests):
    found = octavia(manifests(cloud()))
    assert {path for path in (*ON_GATEWAYS, "DaemonSet/octavia-interface") if "'runAsUser': 0" in str(found[path])} == {
        "DaemonSet/octavia-interface"
    }
    added = pod(found["DaemonSet/octavia-interface"])["containers"][0]["securityContext"]["capabilities"]["add"]
    assert added == ["NET_ADMIN"]


def test_keys_of_amphorae_are_for_those_who_call_them(manifests: Manifests):
    found = octavia(manifests(cloud()))
    running = [path for path in found if path.startswith(("Deployment", "DaemonSet", "Job"))]
    assert {path for path in running if f"{CERTIFICATES}/amphorae-ca.key" in files(found[path])} == set(ON_GATEWAYS)
    assert {path for path in running if "octavia-keys" in str(found[path])} == set(ON_GATEWAYS)


def test_certificates_are_made_in_the_cluster_and_the_clients_authority_is_for_no_pod(manifests: Manifests):
    output = manifests(cloud())
    made = wanted(output)
    assert made["octavia-client-tls"]["tls.crt"] == {
        "kind": "certificate",
        "source": ["octavia-client-authority", ""],
        "usages": ["client"],
    }
    assert made["octavia-client-tls"]["client.pem"] == {"kind": "template", "text": "$(tls.crt)$(tls.key)"}
    assert {made[f"octavia-{name}-authority"]["ca.key"]["kind"] for name in ("amphorae", "client")} == {"authority-key"}
    assert "octavia-client-authority" not in str([o.body for o in output if o.component == "octavia"])


def test_the_interface_has_no_database_and_the_health_manager_has_it(manifests: Manifests):
    found = octavia(manifests(cloud()))
    assert "OS_DATABASE__CONNECTION" not in env(found["DaemonSet/octavia-interface"])
    assert env(found["DaemonSet/octavia-health-manager"])["DB_PASSWORD"] == "octavia-database/password"


def test_flows_are_jobs_in_etcd_and_are_kept_in_a_database_of_their_own(manifests: Manifests):
    found = manifests(cloud())
    board = section(etc(found)["octavia.conf"], "task_flow")
    assert "jobboard_backend_driver = etcd_taskflow_driver\n" in board
    assert "jobboard_backend_hosts = etcd.openstack.svc.cluster.local\n" in board
    assert "use_ssl:True,ca_cert:/etc/etcd/client/ca.crt" in board
    assert "/etc/etcd/client/tls.key" in files(octavia(found)["Deployment/octavia-worker"])
    connection = env(octavia(found)["Deployment/octavia-worker"])["OS_TASK_FLOW__PERSISTENCE_CONNECTION"]
    assert connection.endswith("mariadb.openstack.svc.cluster.local:3306/octavia_persistence?charset=utf8")


def test_the_schemas_of_both_databases_are_brought_up(manifests: Manifests):
    job = pod(octavia(manifests(cloud()))["Job/octavia-db-sync"])
    commands = [c["command"] for c in (*job["initContainers"][1:], *job["containers"])]
    assert commands == [["octavia-db-manage", "upgrade", "head"], ["octavia-db-manage", "upgrade_persistence"]]


def test_what_was_found_in_the_cloud_lies_beneath_what_the_operator_says(manifests: Manifests):
    command = pod(octavia(manifests(cloud()))["Deployment/octavia-worker"])["containers"][0]["command"]
    told = ["--config-file", "/run/octavia/found.conf", "--config-file", "/etc/octavia/octavia.conf"]
    assert command[-5:] == ["octavia-worker", *told]


def test_the_network_is_made_as_the_deployment_says(manifests: Manifests):
    subnets = [
        {"range": "192.0.2.0/25", "pool_start": "192.0.2.10", "pool_end": "192.0.2.100"},
        {"range": "2001:db8::/64", "pool_start": "2001:db8::10", "pool_end": "2001:db8::ffff"},
    ]
    found = etc(manifests(cloud({"octavia": {"lb_network": {"name": "amphorae", "subnets": subnets}}})))
    settings = json.loads(found["management.json"])
    assert settings["network"] == "amphorae"
    assert settings["subnets"] == [
        {"cidr": "192.0.2.0/25", "allocation_pools": [{"start": "192.0.2.10", "end": "192.0.2.100"}]},
        {"cidr": "2001:db8::/64", "allocation_pools": [{"start": "2001:db8::10", "end": "2001:db8::ffff"}]},
    ]


def test_the_agent_shares_the_sockets_with_the_api(manifests: Manifests):
    containers = pod(octavia(manifests(cloud()))["Deployment/octavia-api"])["containers"]
    seen = [{m["mountPath"]: m.get("subPath") for m in c["volumeMounts"]}.get("/var/run/octavia") for c in containers[:2]]
    assert [c["name"] for c in containers[:2]] == ["octavia-api", "driver-agent"]
    assert seen == ["var-run-octavia"] * 2


def test_the_provider_ovn_is_there_with_ovn(manifests: Manifests):
    plain, with_ovn = (manifests(cloud({"neutron": {"backend": backend}})) for backend in ("ml2", "ml2/ovn"))
    assert "ovn" not in section(etc(plain)["octavia.conf"], "api_settings")
    assert "default_provider_driver = amphorav2\n" in section(etc(with_ovn)["octavia.conf"], "api_settings")
    assert "ovn: Load balancers" in section(etc(with_ovn)["octavia.conf"], "api_settings")
    assert "enabled_provider_agents = ovn" in section(etc(with_ovn)["octavia.conf"], "driver_agent")
    assert "ovn_nb_connection = ssl:ovn-ovsdb-nb-0." in etc(with_ovn)["ovn.conf"]
    images = {c["image"] for c in pod(octavia(with_ovn)["Deployment/octavia-api"])["containers"][:2]}
    assert images == {"quay.io/openstack.kolla/octavia-api:2026.1-ubuntu-noble"}


def test_load_balancers_are_ovns_where_that_is_wanted(manifests: Manifests):
    features = {"neutron": {"backend": "ml2/ovn"}, "octavia": {"default_provider": "ovn"}}
    assert "default_provider_driver = ovn\n" in etc(manifests(cloud(features)))["octavia.conf"]


def test_calls_are_audited_by_octavia_itself_where_that_is_wanted(manifests: Manifests):
    plain, audited = (etc(manifests(cloud({"logging": {"cadf": {"enabled": on}}}))) for on in (False, True))
    assert section(plain["octavia.conf"], "audit") == "enabled = false\n"
    assert section(audited["octavia.conf"], "audit") == "enabled = true\n"
    assert "loadbalancers = loadbalancer\n" in audited["octavia_api_audit_map.conf"]


def test_the_roles_of_its_policies_are_made(manifests: Manifests):
    roles = json.loads(etc(manifests(cloud()))["catalogue.json"])["roles"]
    assert roles == [f"load-balancer_{role}" for role in ("admin", "global_observer", "member", "observer", "quota_admin")]


def test_epoxy_is_told_of_neutron_in_a_file_of_its_own(manifests: Manifests):
    found = etc(manifests(cloud(openstack_version="epoxy")))
    assert "[neutron]" not in found["octavia.conf"]
    assert "valid_interfaces = internal\n" in found["neutron.conf"]


def test_gateways_that_differ_have_a_health_manager_of_their_own(manifests: Manifests):
    conf = {"octavia": {"health_manager": {"failover_threads": 4}}}
    nodes = {"rack::r1": {"services": {"load-balancer": {"octavia": {"values": {"conf": conf}}}}}}
    found = octavia(manifests(cloud(nodes=nodes)))
    assert {path for path in found if "health-manager" in path} == {
        "DaemonSet/octavia-health-manager",
        "DaemonSet/octavia-health-manager-rack-r1-8dce54",
    }


def test_the_examples_of_the_page_are_taken(manifests: Manifests):
    page = (Path(__file__).parents[2] / "docs" / "services" / "octavia.md").read_text()
    examples = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    for example in examples:
        found = octavia(manifests(patched(cloud(), {"spec": example})))
    assert found["Deployment/octavia-worker"]["spec"]["replicas"] == 5
