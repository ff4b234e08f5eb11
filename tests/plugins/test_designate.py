from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import yaml

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]

ROOT = Path(__file__).parents[2]


class TestContract(ServiceContract):
    service = "designate"
    spec: ClassVar = {"features": {"designate": {"backend": {"protocol": "tcp+udp"}}}}


def cloud(features: dict[str, Any] | None = None, *more: str, **spec: Any) -> dict[str, Any]:
    """A small cloud of identity and DNS alone, or with ``more`` services, with what differs."""
    data = patched(USUAL, {"spec": {"size": "small", "features": {"services": ["identity", "dns", *more]}}})
    return patched(data, {"spec": {**spec, "features": features or {}}})


def dns(backend: dict[str, Any]) -> dict[str, Any]:
    return cloud({"designate": {"backend": backend}})


def designate(output: Iterable[Output]) -> dict[str, dict[str, Any]]:
    """Its objects by kind and name, a Job without its hash."""
    return {f"{o.kind}/{o.labels.get('stackloom.io/job', o.name)}": o.body for o in output if o.component == "designate"}


def pod(body: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = body["spec"].get("jobTemplate", body)["spec"]["template"]["spec"]
    return spec


def containers(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in pod(body)["containers"]}


def secrets_of(body: dict[str, Any], container: str) -> set[str]:
    """Secret and key of all that a container sees of Secrets, as files and as variables."""
    found, chosen = set(), containers(body)[container]
    for entry in chosen.get("env", ()):
        ref = entry.get("valueFrom", {}).get("secretKeyRef")
        found |= {f"{ref['name']}/{ref['key']}"} if ref else set()
    mounts = {m["name"] for m in chosen["volumeMounts"]}
    for source in (s for v in pod(body)["volumes"] if v["name"] in mounts for s in v.get("projected", {}).get("sources", ())):
        found |= {f"{source['secret']['name']}/{item['key']}" for item in source.get("secret", {}).get("items", ())}
    return found


def credential(output: Iterable[Output], name: str) -> dict[str, Any]:
    (wanted,) = (o.body["data"]["credentials.json"] for o in output if o.path == "credentials/ConfigMap/credentials")
    (found,) = (one["keys"] for one in json.loads(wanted) if one["name"] == name)
    keys: dict[str, Any] = found
    return keys


def powerdns(output: Iterable[Output], account: str) -> dict[str, str]:
    """The options of a pdns.conf."""
    text = designate(output)["ConfigMap/designate-etc"]["data"][f"powerdns-{account}.conf"]
    return dict(line.split("=", 1) for line in text.splitlines())


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "designate")


@pytest.mark.parametrize(
    ("protocol", "ports"),
    [
        ("udp", [("dns-udp", "UDP")]),
        ("tcp", [("dns-tcp", "TCP")]),
        ("tcp+udp", [("dns-tcp", "TCP"), ("dns-udp", "UDP")]),
    ],
)
def test_the_world_asks_by_the_protocols_that_are_chosen_and_no_others(
    manifests: Manifests, protocol: str, ports: list[tuple[str, str]]
):
    found = designate(manifests(dns({"protocol": protocol})))
    spec = found["Service/designate-powerdns-external"]["spec"]
    assert [(p["name"], p["protocol"], p["port"], p["targetPort"]) for p in spec["ports"]] == [(*p, 53, 5300) for p in ports]
    open_to_all = [r["ports"] for r in found["NetworkPolicy/designate"]["spec"]["ingress"] if "from" not in r]
    assert open_to_all == [[{"port": 5300, "protocol": protocol} for _, protocol in ports]]


def test_all_protocols_have_the_one_address_that_is_asked_for(manifests: Manifests):
    given = designate(manifests(dns({"protocol": "tcp+udp", "external_ip": "203.0.113.53"})))
    assert given["Service/designate-powerdns-external"]["spec"]["loadBalancerIP"] == "203.0.113.53"
    left = designate(manifests(cloud()))["Service/designate-powerdns-external"]["spec"]
    assert (left["type"], left["externalTrafficPolicy"], "loadBalancerIP" in left) == ("LoadBalancer", "Local", False)


def test_who_answers_the_world_knows_nothing_but_an_account_that_reads(manifests: Manifests):
    output = manifests(cloud())
    server = designate(output)["Deployment/designate-powerdns"]
    assert secrets_of(server, "designate-powerdns") == {"designate-powerdns/reader-1.conf"}
    assert credential(output, "designate-powerdns")["reader_user_1"]["source"] == [
        "designate-powerdns-reader-database",
        "username",
    ]
    options = powerdns(output, "reader")
    assert "api" not in options
    assert "secondary" not in options
    assert options["disable-axfr"] == "yes"


def test_names_are_answered_whatever_becomes_of_designate(manifests: Manifests):
    (gate,) = pod(designate(manifests(cloud()))["Deployment/designate-powerdns"])["initContainers"]
    waits = {e["name"]: e["value"] for e in gate["env"]}
    assert (waits["GATE_SERVICES"], waits["GATE_JOBS"]) == ("mariadb", "designate-powerdns-schema")


def test_zones_are_handed_over_within_the_workers_pod(manifests: Manifests):
    output = manifests(cloud())
    found = designate(output)
    assert set(containers(found["Deployment/designate-worker"])) == {"designate-worker", "mdns", "transfers"}
    options = powerdns(output, "writer")
    assert (options["local-address"], options["secondary"], options["api"]) == ("127.0.0.1", "yes", "yes")
    assert "listen = 127.0.0.1:5354\n" in found["ConfigMap/designate-etc"]["data"]["designate.conf"]
    assert not [name for name in found if "mdns" in name]


def test_the_pool_is_entered_by_a_job_with_a_key_that_no_file_holds(manifests: Manifests):
    found = designate(manifests(cloud()))
    (pool,) = yaml.safe_load(found["ConfigMap/designate-etc"]["data"]["pools.yaml"])
    (target,) = pool["targets"]
    assert (target["masters"], target["options"]["api_token"]) == ([{"host": "127.0.0.1", "port": 5354}], "${POWERDNS_API_KEY}")
    assert pool["nameservers"] == [{"host": "127.0.0.1", "port": 5300}]
    assert "designate-powerdns/api-key" in secrets_of(found["Job/designate-pools"], "designate-pools")


def test_zones_name_the_clouds_name_server_or_those_that_are_given(manifests: Manifests):
    def names(features: dict[str, Any]) -> list[tuple[str, int]]:
        (pool,) = yaml.safe_load(designate(manifests(cloud(features)))["ConfigMap/designate-etc"]["data"]["pools.yaml"])
        return [(record["hostname"], record["priority"]) for record in pool["ns_records"]]

    assert names({}) == [("ns.cloud.example.org.", 1)]
    given = {"designate": {"nameservers": ["ns1.example.org", "ns2.example.org"]}}
    assert names(given) == [("ns1.example.org.", 1), ("ns2.example.org.", 2)]


def test_a_change_of_the_pool_runs_the_job_again_and_no_other(manifests: Manifests):
    def jobs(features: dict[str, Any]) -> set[str]:
        return {o.name for o in manifests(cloud(features)) if o.component == "designate" and o.kind == "Job"}

    (changed,) = jobs({"designate": {"nameservers": ["ns1.example.org"]}}) - jobs({})
    assert changed.startswith("designate-pools-")


def test_the_database_is_known_to_those_that_use_it(manifests: Manifests):
    found = designate(manifests(cloud()))
    running = {
        (path, name): body
        for path, body in found.items()
        if path.startswith(("Dep", "Stat", "Job", "Cron"))
        for name in containers(body)
    }
    knows = {name for (_, name), body in running.items() if "designate-connection/connection-1.conf" in secrets_of(body, name)}
    assert knows == {"designate-central", "designate-worker", "mdns", "designate-db-sync", "designate-service-cleaner"}


def test_the_way_to_the_database_is_a_file_of_oslo_config(manifests: Manifests):
    keys = credential(manifests(cloud()), "designate-connection")
    url = "mysql+pymysql://$(user_1):$(password_1)@mariadb.openstack.svc.cluster.local/designate?charset=utf8"
    assert keys["connection-1.conf"]["text"] == f"[storage:sqlalchemy]\nconnection = {url}\n"
    assert keys["password_1"] == {"kind": "copy", "source": ["designate-designate-database", "password"]}


def test_new_passwords_roll_all_that_have_them_in_files(manifests: Manifests):
    found = designate(manifests(cloud(credentials={"rotation": {"designate": 2}})))
    assert secrets_of(found["Deployment/designate-powerdns"], "designate-powerdns") == {"designate-powerdns/reader-2.conf"}
    assert "designate-connection/connection-2.conf" in secrets_of(found["StatefulSet/designate-central"], "designate-central")
    assert secrets_of(found["Deployment/designate-worker"], "transfers") == {"designate-powerdns/writer-2.conf"}


def test_the_api_asks_central_and_no_database(manifests: Manifests):
    found = designate(manifests(cloud()))
    assert not [name for name in secrets_of(found["Deployment/designate-api"], "designate-api") if "database" in name]
    waits = {e["name"]: e["value"] for e in pod(found["Deployment/designate-api"])["initContainers"][0]["env"]}
    assert "designate-central" in waits["GATE_SERVICES"].split(",")


def test_what_shares_work_out_does_so_in_etcd(manifests: Manifests):
    found = designate(manifests(cloud()))
    told = {path for path, body in found.items() if "OS_COORDINATION__BACKEND_URL" in str(body)}
    assert told == {"StatefulSet/designate-central", "Deployment/designate-producer"}


def test_an_audit_says_what_the_paths_mean(manifests: Manifests):
    data = designate(manifests(cloud({"logging": {"cadf": {"enabled": True}}})))["ConfigMap/designate-etc"]["data"]
    assert "maintenance normalizeuri audit osapi_dns_app_v2\n" in data["api-paste.ini"]
    assert "audit_map_file = /etc/designate/api_audit_map.conf\n" in data["api-paste.ini"]
    assert "recordsets = recordset\n" in data["api_audit_map.conf"]


@pytest.mark.parametrize(("level", "number"), [("DEBUG", "7"), ("INFO", "5"), ("ERROR", "3")])
def test_powerdns_says_as_much_as_designate(manifests: Manifests, level: str, number: str):
    assert powerdns(manifests(cloud({"logging": {"designate": {"level": level}}})), "reader")["loglevel"] == number


def test_epoxy_has_no_command_that_forgets_processes(manifests: Manifests):
    assert "CronJob/designate-service-cleaner" in designate(manifests(cloud(openstack_version="flamingo")))
    assert "CronJob/designate-service-cleaner" not in designate(manifests(cloud(openstack_version="epoxy")))


def test_neutron_enters_its_names_where_both_are_in_the_cloud(manifests: Manifests):
    network = {"neutron": {"tunnel_interface": "ens4", "external_networks": [], "floating_network": {"enabled": False}}}
    output = manifests(cloud(network, "networking"))
    (neutron,) = (o.body["data"]["neutron.conf"] for o in output if o.path == "neutron/ConfigMap/neutron-etc")
    assert "external_dns_driver = designate\n" in neutron
    assert "url = http://designate-api.openstack.svc.cluster.local:9001/v2\n" in neutron
    assert (
        "[network_api:neutron]\nendpoint_type = internalURL\n"
        in designate(output)["ConfigMap/designate-etc"]["data"]["designate.conf"]
    )


def test_the_example_of_the_page_is_taken(manifests: Manifests):
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "services" / "designate.md").read_text(), re.DOTALL)
    found = designate(manifests(cloud(yaml.safe_load(example)["features"])))
    assert found["Service/designate-powerdns-external"]["spec"]["loadBalancerIP"] == "203.0.113.53"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a program as it is imported in the cluster."""
    for directory in ("core/stackloom/programs", "plugins/stackloom_openstack/designate/programs"):
        monkeypatch.syspath_prepend(str(ROOT / directory))
    return importlib.import_module


def test_central_can_take_locks_before_it_listens(program: Any):
    done: list[str] = []
    locks = SimpleNamespace(started=False, start=lambda: done.append("enters"))
    program("dns_central").entered(lambda _: done.append("listens"))(SimpleNamespace(coordination=locks))
    assert done == ["enters", "listens"]


def test_central_enters_once(program: Any):
    done: list[str] = []
    locks = SimpleNamespace(started=True, start=lambda: done.append("enters"))
    program("dns_central").entered(lambda _: done.append("listens"))(SimpleNamespace(coordination=locks))
    assert done == ["listens"]


def test_secrets_are_put_into_the_pools_where_they_are_told(program: Any):
    dns_pools = program("dns_pools")
    assert dns_pools.filled("api_token: ${KEY}\n", {"KEY": "word"}) == "api_token: word\n"
    with pytest.raises(dns_pools.Failure, match="the environment lacks KEY"):
        dns_pools.filled("api_token: ${KEY}\n", {})
