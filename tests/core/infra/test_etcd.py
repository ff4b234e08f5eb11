from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom.constructs.coordination import coordination_files, coordination_url
from stackloom.errors import StackloomError
from stackloom.infra.etcd import ETCD
from tests.core.constructs.conftest import Built
from tests.core.infra.built import built

MEMBERS = "StatefulSet/etcd-member"


@pytest.fixture
def etcd(tmp_path: Path) -> Built:
    return built(ETCD, tmp_path)


def config(etcd: Built, file: str = "etcd.json") -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(etcd.context.config_files[file].text)
    return parsed


@pytest.mark.parametrize(("size", "members"), [("single", 1), ("tiny", 3), ("small", 3), ("medium", 3)])
def test_every_member_is_known_to_all(tmp_path: Path, size: str, members: int) -> None:
    etcd = built(ETCD, tmp_path, size=size)
    assert etcd[MEMBERS]["spec"]["replicas"] == members
    assert list(config(etcd, "members.json")) == [f"etcd-member-{i}" for i in range(members)]


def test_the_operators_number_of_members_reaches_every_file(tmp_path: Path) -> None:
    etcd = built(ETCD, tmp_path, services={"coordination": {"etcd": {"values": {"replicas": {"member": 5}}}}})
    (names,) = [c.keys["tls.crt"].text for c in etcd.context.credentials if c.name == "etcd-member-tls"]
    assert etcd[MEMBERS]["spec"]["replicas"] == len(config(etcd, "members.json")) == 5
    assert "etcd-member-4.etcd-member.openstack.svc.cluster.local" in names


def test_the_headless_service_finds_members_early_and_clients_find_those_that_are_ready(etcd: Built) -> None:
    assert etcd["Service/etcd-member"]["spec"]["publishNotReadyAddresses"]
    clients = etcd["Service/etcd"]["spec"]
    assert "publishNotReadyAddresses" not in clients
    assert "clusterIP" not in clients
    assert [port["port"] for port in clients["ports"]] == [2379]


def test_both_ports_demand_certificates_and_that_of_members_their_own(etcd: Built) -> None:
    for security in (config(etcd)["client-transport-security"], config(etcd)["peer-transport-security"]):
        assert security["client-cert-auth"]
        assert security["trusted-ca-file"] == "/etc/etcd/tls/ca.crt"
    (only,) = config(etcd)["peer-transport-security"]["allowed-hostname"]
    (client, member) = (next(c for c in etcd.context.credentials if c.name == f"etcd-{who}-tls") for who in ("client", "member"))
    assert only in member.keys["tls.crt"].text.split(",")
    assert client.keys["tls.crt"].text == ""


def test_nobody_reads_the_key_of_the_authority_and_services_read_their_own(etcd: Built) -> None:
    readers = {c.name: c.readers for c in (*ETCD.credentials, *etcd.context.credentials)}
    assert readers == {"etcd-authority": set(), "etcd-member-tls": {"etcd"}, "etcd-client-tls": {"etcd", "cinder"}}


def test_the_database_has_a_quota_that_fits_its_memory_and_its_volume(tmp_path: Path) -> None:
    etcd = built(ETCD, tmp_path, features={"etcd": {"quota_mib": 1024}})
    assert config(etcd)["quota-backend-bytes"] == 1024 * 1024 * 1024
    assert etcd.container(MEMBERS)["resources"]["limits"]["memory"] == "1536Mi"
    (claim,) = etcd[MEMBERS]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert claim["spec"]["storageClassName"] == etcd.context.deployment.spec.local_volume_storage_class


def test_a_quota_that_the_volume_could_not_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackloomError, match="quota_mib"):
        built(ETCD, tmp_path, features={"etcd": {"quota_mib": 4096}})


def test_a_member_that_starts_is_not_killed_for_having_no_majority(etcd: Built) -> None:
    container = etcd.container(MEMBERS)
    assert "startupProbe" not in container
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}


def test_etcd_starts_with_the_file_that_the_program_writes(etcd: Built) -> None:
    (settle,) = etcd.pod(MEMBERS)["initContainers"]
    assert settle["command"][-1] == etcd.container(MEMBERS)["command"][-1] == "/run/etcd/etcd.json"
    shared = [m for c in (settle, etcd.container(MEMBERS)) for m in c["volumeMounts"] if m["mountPath"] == "/run/etcd"]
    assert shared[0] == shared[1]
    assert {m["mountPath"] for m in settle["volumeMounts"]} >= {"/var/lib/etcd", "/etc/etcd", "/opt/stackloom/programs"}


def test_the_members_do_not_see_the_configuration_that_they_do_not_read(etcd: Built) -> None:
    mounts = {m["mountPath"] for m in etcd.container(MEMBERS)["volumeMounts"]}
    assert "/etc/etcd/tls" in mounts
    assert "/etc/etcd" not in mounts


def test_defragmentation_runs_when_it_is_told_to_with_a_clients_certificate(tmp_path: Path) -> None:
    etcd = built(ETCD, tmp_path, features={"etcd": {"defragmentation": "0 4 * * 0"}})
    assert etcd["CronJob/etcd-defragment"]["spec"]["schedule"] == "0 4 * * 0"
    env = etcd.env("CronJob/etcd-defragment")
    assert env["ETCDCTL_ENDPOINTS"] == "https://etcd.openstack.svc.cluster.local:2379"
    assert env["ETCDCTL_KEY"] == "/etc/etcd/client/tls.key"


def test_every_file_that_the_url_names_is_mounted_by_who_uses_it(etcd: Built) -> None:
    url, files = coordination_url(etcd.context), coordination_files(etcd.context)
    assert url.startswith("etcd3+https://etcd.openstack.svc.cluster.local:2379?api_version=v3&")
    assert {part.partition("=")[2] for part in url.partition("&")[2].split("&")} == {file.path for file in files}
    assert {file.secret for file in files} == {"etcd-client-tls"}


def test_the_options_of_its_page_are_taken(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "etcd.md"
    (example,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    assert built(ETCD, tmp_path, **yaml.safe_load(example)["spec"]).bodies()
