from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from stackloom import Output
from stackloom.testing.suite import ServiceContract
from tests.bad_inputs import USUAL, patched

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]
Made = dict[str, dict[str, Any]]

PAGE = Path(__file__).parents[2] / "docs" / "services" / "ceph-rgw.md"
OUTSIDE = {"addresses": ["10.0.0.1:8080", "rgw.example.org:8081"]}
TLS = {"ca": {"value_from": {"secret_key_ref": {"name": "rgw", "key": "ca.crt"}}}, "server_name": "rgw.example.org"}
PASSWORD = "/etc/ceph-rgw/keystone-password"


class TestContract(ServiceContract):
    service = "ceph-rgw"
    spec: ClassVar = {"features": {"ceph": {"rook": {}}}}


class TestContractOfProxies(ServiceContract):
    service = "ceph-rgw"
    spec: ClassVar = {"features": {"ceph_rgw": {"existing": OUTSIDE}}}


def cloud(gateway: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small cloud of identity and the object store alone, in front of Rook's Ceph unless told otherwise."""
    features = {"services": ["identity", "object-storage"], "ceph": {"rook": {}}, "ceph_rgw": gateway or {}}
    return patched(USUAL, {"spec": {"size": "small", "features": patched(features, spec.pop("features", {})), **spec}})


def rgw(output: Iterable[Output]) -> Made:
    """Its objects by kind and name, a Job without its hash."""
    return {f"{o.kind}/{o.labels.get('stackloom.io/job', o.name)}": o.body for o in output if o.component == "ceph-rgw"}


def container(made: Made) -> dict[str, Any]:
    """What serves the API."""
    found: dict[str, Any] = made["Deployment/ceph-rgw"]["spec"]["template"]["spec"]["containers"][0]
    return found


def told(made: Made) -> dict[str, str]:
    """The options on radosgw's command line."""
    return dict(word.removeprefix("--").split("=", 1) for word in container(made)["command"] if "=" in word)


def egress(made: Made) -> str:
    return str(made["NetworkPolicy/ceph-rgw"]["spec"]["egress"])


def test_gateways_of_the_clouds_own(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "ceph-rgw")


def test_the_way_to_gateways_of_rook(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud({"rook": {"store": "objects"}})) if o.component == "ceph-rgw")


def test_the_catalogue_has_swifts_api_for_each_project_inside_and_outside(manifests: Manifests):
    for gateway in ({}, {"rook": {"store": "objects"}}, {"existing": OUTSIDE}):
        wanted = rgw(manifests(cloud(gateway)))["ConfigMap/ceph-rgw-etc"]["data"]["catalogue.json"]
        assert '"type": "object-store"' in wanted
        assert '"internal": "http://ceph-rgw.openstack.svc.cluster.local:8080/swift/v1/AUTH_%(project_id)s"' in wanted
        assert '"public": "https://object-store.cloud.example.org/swift/v1/AUTH_%(project_id)s"' in wanted


def test_a_gateway_asks_keystone_as_an_account_that_is_no_administrator(manifests: Manifests):
    made = rgw(manifests(cloud()))
    options = told(made)
    assert options["rgw_keystone_url"] == "http://keystone-api.openstack.svc.cluster.local:5000"
    assert (options["rgw_keystone_admin_user"], options["rgw_keystone_admin_project"]) == ("ceph-rgw", "service")
    assert '"roles": [\n        "service"\n      ]' in made["ConfigMap/ceph-rgw-etc"]["data"]["catalogue.json"]


def test_the_password_is_a_file_and_on_no_command_line(manifests: Manifests):
    made = rgw(manifests(cloud()))
    assert told(made)["rgw_keystone_admin_password_path"] == PASSWORD
    volumes = made["Deployment/ceph-rgw"]["spec"]["template"]["spec"]["volumes"]
    sources = [
        source["secret"] for volume in volumes for source in volume.get("projected", {}).get("sources", ()) if "secret" in source
    ]
    assert {"name": "ceph-rgw-service-user", "items": [{"key": "password", "path": "keystone-password"}]} in sources


def test_another_generation_of_the_password_is_another_account(manifests: Manifests):
    rotated = rgw(manifests(cloud(credentials={"rotation": {"ceph-rgw": 2}})))
    assert told(rotated)["rgw_keystone_admin_user"] == "ceph-rgw-2"
    assert "ceph-rgw-service-user-2" in str(rotated["Deployment/ceph-rgw"])


def test_ceph_lets_a_gateway_into_pools_of_gateways_alone(manifests: Manifests):
    (wanted,) = (o.body["data"]["ceph.json"] for o in manifests(cloud()) if o.path == "ceph/ConfigMap/ceph-etc")
    assert '"osd": "allow rwx tag rgw *=*"' in wanted


def test_operators_change_what_does_not_follow_from_the_deployment(manifests: Manifests):
    changed = {"rgw_keystone_accepted_roles": "creator", "rgw_keystone_implicit_tenants": False, "rgw_thread_pool_size": 512}
    options = told(rgw(manifests(cloud({"options": changed}))))
    assert {name: options[name] for name in changed} == {
        "rgw_keystone_accepted_roles": "creator",
        "rgw_keystone_implicit_tenants": "false",
        "rgw_thread_pool_size": "512",
    }


@pytest.mark.parametrize(("level", "number"), [("DEBUG", "20"), ("INFO", "1"), ("ERROR", "0")])
def test_how_much_a_gateway_logs(manifests: Manifests, level: str, number: str):
    logging = {"features": {"logging": {"ceph-rgw": {"level": level}}}}
    assert told(rgw(manifests(cloud(**logging))))["debug_rgw"] == number


def test_a_store_of_rook_is_called_by_the_name_of_its_service(manifests: Manifests):
    ceph = {"features": {"ceph": {"rook": {"namespace": "storage"}}}}
    made = rgw(manifests(cloud({"rook": {"store": "objects", "port": 8080}}, **ceph)))
    haproxy = made["ConfigMap/ceph-rgw-etc"]["data"]["haproxy.cfg"]
    assert "server gateway-1 rook-ceph-rgw-objects.storage.svc.cluster.local:8080\n" in haproxy
    assert "{'port': 8080, 'protocol': 'TCP'}" in egress(made)


def test_gateways_outside_are_all_called_and_the_network_is_open_to_them(manifests: Manifests):
    output = manifests(cloud({"existing": OUTSIDE}))
    haproxy = rgw(output)["ConfigMap/ceph-rgw-etc"]["data"]["haproxy.cfg"]
    assert "server gateway-1 10.0.0.1:8080\n  server gateway-2 rgw.example.org:8081\n" in haproxy
    assert "'port': 8080" in egress(rgw(output))
    assert "'port': 8081" in egress(rgw(output))
    assert not [o for o in output if o.component == "ceph"]


def test_a_gateway_that_speaks_tls_shows_a_certificate_of_its_name(manifests: Manifests):
    made = rgw(manifests(cloud({"existing": {**OUTSIDE, "tls": TLS}})))
    haproxy = made["ConfigMap/ceph-rgw-etc"]["data"]["haproxy.cfg"]
    assert "ssl verify required ca-file /etc/haproxy/ca/gateway.crt verifyhost rgw.example.org" in haproxy
    assert "'name': 'rgw'" in str(made["Deployment/ceph-rgw"])


def test_a_proxy_is_ready_while_it_reaches_a_gateway_and_lives_without(manifests: Manifests):
    found = container(rgw(manifests(cloud({"existing": OUTSIDE}))))
    assert found["readinessProbe"]["httpGet"] == {"path": "/swift/healthcheck", "port": "api"}
    assert found["livenessProbe"]["tcpSocket"] == {"port": "api"}


def test_who_runs_the_gateways_finds_the_account_in_a_secret(manifests: Manifests):
    existing = cloud({"existing": OUTSIDE}, credentials={"rotation": {"ceph-rgw": 2}})
    (wanted,) = (o.body["data"]["credentials.json"] for o in manifests(existing) if o.path == "credentials/ConfigMap/credentials")
    assert '"OS_USERNAME": {"kind": "public", "text": "ceph-rgw-2"}' in wanted
    assert '"OS_AUTH_URL": {"kind": "public", "text": "https://keystone.cloud.example.org/v3"}' in wanted
    assert "ceph-rgw-keystone" not in str([o.body for o in manifests(cloud()) if o.component == "credentials"])


EXAMPLES = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL) if block.startswith("spec:")]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_its_page_are_taken(manifests: Manifests, example: str):
    assert rgw(manifests(patched(USUAL, yaml.safe_load(example))))


def test_its_page_shows_existing_gateways_all_that_own_ones_are_told_of_keystone(manifests: Manifests):
    shown = set(re.findall(r"^set (rgw_[a-z0-9_]+) ", PAGE.read_text(), re.MULTILINE))
    own = {name for name in told(rgw(manifests(cloud()))) if re.search("keystone|account_in_url", name)}
    assert shown == {name.removesuffix("_path") for name in own}
