"""The committed output, on a real Kubernetes API."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.x509 import DNSName, load_pem_x509_certificate
from cryptography.x509.verification import PolicyBuilder, Store

from tests.real.cluster import Cluster

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "core" / "stackloom" / "programs"
# The cloud's own, and that of the Rook whose Ceph it uses: both are there before.
NAMESPACES = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("openstack", "rook-ceph")]

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "dist").rglob("*.yaml"))]


def credentials(cluster: Cluster, folder: Path, objects: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """Run the program of the credentials Job, with its own input and the token of its own account."""
    (wanted,) = (o["data"]["credentials.json"] for o in objects if o["metadata"]["name"] == "credentials" and "data" in o)
    (folder / "credentials.json").write_text(wanted)
    variables = cluster.mount("openstack", "credentials", folder)
    command = [sys.executable, str(PROGRAMS / "credentials.py"), str(folder / "credentials.json")]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def serves_all_hosts(tls: dict[str, str], objects: list[dict[str, Any]]) -> None:
    """Whoever trusts ``ca.crt`` takes the certificate beside it for that of each public host."""
    trusted, certificate = (load_pem_x509_certificate(b64decode(tls[key])) for key in ("ca.crt", "tls.crt"))
    hosts = [host for o in objects if o["kind"] == "Ingress" for entry in o["spec"]["tls"] for host in entry["hosts"]]
    assert hosts
    for host in hosts:
        verifier = PolicyBuilder().store(Store([trusted])).build_server_verifier(DNSName(host))
        assert verifier.verify(certificate, []) == [certificate, trusted]


def test_the_api_takes_every_object_of_the_output_and_warns_of_none(kubernetes: Cluster, objects: list[dict[str, Any]]) -> None:
    applied = kubernetes.apply([*NAMESPACES, *objects])
    assert not applied.warnings
    again = kubernetes.apply(objects)
    versions = {o["metadata"]["uid"]: o["metadata"]["resourceVersion"] for o in applied.objects}
    assert all(versions[o["metadata"]["uid"]] == o["metadata"]["resourceVersion"] for o in again.objects)


def test_the_role_of_the_credentials_job_is_enough_and_a_second_run_changes_nothing(
    kubernetes: Cluster, objects: list[dict[str, Any]], tmp_path: Path
) -> None:
    kubernetes.apply([*NAMESPACES, *objects])
    first = credentials(kubernetes, tmp_path, objects)
    assert first.returncode == 0, first.stdout + first.stderr
    secrets = "/api/v1/namespaces/openstack/secrets"
    made = kubernetes.request("GET", secrets).object["items"]
    assert {"keystone-admin", "keystone-fernet-keys", "openstack-public-tls"} <= {s["metadata"]["name"] for s in made}
    serves_all_hosts(kubernetes.request("GET", f"{secrets}/openstack-public-tls").object["data"], objects)
    second = credentials(kubernetes, tmp_path, objects)
    assert second.returncode == 0
    assert kubernetes.request("GET", secrets).object["items"] == made
