from __future__ import annotations

from typing import Any, ClassVar

import pytest

from stackloom.testing.suite import ServiceContract
from tests.plugins.compute import FEATURES, Made, Manifests, Snapshots, cloud, on_nodes

TLS = {"nova": {"libvirt": {"tls": {"enabled": True}}, "console": {"novnc": {"tls": {"enabled": True}}}}}
AGENT = "DaemonSet/libvirt"


class TestContract(ServiceContract):
    service = "libvirt"
    spec: ClassVar = {"features": {**FEATURES, "services": cloud()["spec"]["features"]["services"]}}


@pytest.fixture
def libvirt(manifests: Manifests) -> Made:
    """A small cloud's libvirt."""
    return Made(manifests(cloud()), "libvirt")


def settings(made: Made, key: str) -> dict[str, str]:
    """A file of libvirt's."""
    return dict(line.split(" = ") for line in made.file(key).splitlines())


def test_all_that_is_encrypted(manifests: Manifests, assert_snapshots: Snapshots) -> None:
    assert_snapshots(o for o in manifests(cloud(TLS)) if o.component == "libvirt")


def test_servers_outlive_the_pod(libvirt: Made) -> None:
    pod, body = libvirt.pod(AGENT), libvirt.bodies[AGENT]
    assert pod["hostPID"]
    assert body["spec"]["updateStrategy"] == {"type": "OnDelete"}
    on_node = {v["hostPath"]["path"] for v in pod["volumes"] if "hostPath" in v}
    assert on_node >= {"/run/libvirt", "/var/lib/libvirt", "/etc/libvirt/qemu", "/sys/fs/cgroup"}
    assert "exit 1" in libvirt.container(AGENT, "step-1")["command"][-1]  # where it would not hold


def test_servers_are_no_likelier_to_be_killed_than_on_a_node_without_kubernetes(libvirt: Made) -> None:
    assert libvirt.container(AGENT, "libvirt")["command"][-1].startswith("echo 0 > /proc/self/oom_score_adj && exec libvirtd")


def test_nobody_gets_in_without_a_certificate_of_a_compute_node(libvirt: Made) -> None:
    said = settings(libvirt, "libvirtd.conf")
    assert (said["listen_tcp"], said["listen_tls"], said["listen_addr"]) == ("0", "1", '"@address:ens4@"')
    assert said["unix_sock_rw_perms"] == '"0700"'


def test_the_authoritys_key_is_seen_by_the_container_that_issues_and_no_other(libvirt: Made) -> None:
    pod = libvirt.pod(AGENT)
    volumes = {v["name"] for v in pod["volumes"] if "libvirt-authority" in str(v)}
    containers = [*pod["initContainers"], *pod["containers"]]
    assert [c["name"] for c in containers if volumes & {m["name"] for m in c["volumeMounts"]}] == ["node-certificate"]


def test_certificates_are_for_the_interface_of_migration(manifests: Manifests) -> None:
    made = Made(manifests(cloud(TLS)), "libvirt")
    for name in ("node-certificate", "console-certificate"):
        assert made.container(AGENT, name)["command"][2:5] == ["/etc/stackloom/authority", "ens4", "42424"]


@pytest.mark.parametrize(
    ("features", "options"),
    [
        ({}, set()),
        ({"libvirt": {"tls": {"enabled": True}}}, {"migrate_tls_x509_cert_dir", "migrate_tls_x509_verify"}),
        ({"console": {"novnc": {"tls": {"enabled": True}}}}, {"vnc_tls", "vnc_tls_x509_cert_dir", "vnc_tls_x509_verify"}),
    ],
)
def test_what_is_encrypted_is_what_was_asked_for(manifests: Manifests, features: dict[str, Any], options: set[str]) -> None:
    said = settings(Made(manifests(cloud({"nova": features})), "libvirt"), "qemu.conf")
    assert {name for name in said if "tls" in name} == options


def test_qemu_finds_the_certificates_where_they_are_put(manifests: Manifests) -> None:
    made = Made(manifests(cloud(TLS)), "libvirt")
    said = settings(made, "qemu.conf")
    put = [word for name in ("node-certificate", "console-certificate") for word in made.container(AGENT, name)["command"][5:]]
    assert f"{said['migrate_tls_x509_cert_dir']}/client-key.pem".replace('"', "") in put
    assert f"{said['vnc_tls_x509_cert_dir']}/server-key.pem".replace('"', "") in put


def test_an_authority_that_pods_read_comes_from_the_store_as_well(manifests: Manifests) -> None:
    store = {"provider": "external-secrets", "external_secrets": {"store": {"name": "vault"}}}
    names = {o.name for o in manifests(cloud(credentials=store)) if o.kind == "ExternalSecret"}
    assert "libvirt-authority" in names
    assert "openstack-internal-authority" not in names


def test_an_interface_of_some_nodes_is_where_libvirt_listens_there(manifests: Manifests) -> None:
    made = Made(manifests(cloud(nodes=on_nodes(r1={"nova": {"live_migration_interface": "bond0"}}))), "libvirt")
    (other,) = (name for name in made.bodies if name.startswith("DaemonSet/libvirt-"))
    suffix = other.removeprefix("DaemonSet/libvirt")
    assert settings(made, f"libvirtd{suffix}.conf")["listen_addr"] == '"@address:bond0@"'
    assert made.container(other, "node-certificate")["command"][3] == "bond0"


def test_disks_in_ceph_are_reached_with_a_key_that_libvirt_has_under_the_name_that_nova_says(manifests: Manifests) -> None:
    services = [*cloud()["spec"]["features"]["services"], "block-storage"]
    output = manifests(cloud({"services": services, "nova": {"images": {"backend": "ceph"}}}))
    said = Made(output, "nova").conf("nova-compute.conf")["libvirt"]
    put = Made(output, "libvirt").container(AGENT, "ceph-secret")["command"][-1]
    assert (said["images_type"], said["images_rbd_pool"], said["rbd_user"]) == ("rbd", "vms", "cinder")
    assert f"/etc/libvirt/secrets/{said['rbd_secret_uuid']}.base64" in put
