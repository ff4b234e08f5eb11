"""Keystone, with all that it stands on, started from its manifests, in the order of the gates."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from stackloom.app import Cloud
from tests.real.boot.node import Node, booted
from tests.real.cluster import Object

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

DEPLOYMENT = """
apiVersion: lcm.mirantis.com/v1alpha1
kind: OpenStackDeployment
metadata: {name: cloud, namespace: openstack}
spec:
  openstack_version: gazpacho
  preset: core
  size: single
  public_domain_name: cloud.example.org
  features:
    services: [identity]
    database: {backup: {enabled: false}}
    keystone:
      domain_specific_configuration:
        enabled: true
        domains:
          - name: people
            enabled: true
            config:
              identity: {driver: ldap}
              ldap:
                url: ldap://127.0.0.1:9
                suffix: dc=example
                user: cn=reader
                password: {value_from: {secret_key_ref: {name: directory, key: password}}}
  services:
    database:
      mariadb:
        values:
          conf:
            galera:  # what would only take memory and disk
              mariadbd: {innodb_buffer_pool_size: 64M, innodb_log_file_size: 48M}
              wsrep_provider_options: {gcache.size: 64M}
"""
OPERATORS_SECRET: Object = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "directory", "namespace": "openstack"},
    "stringData": {"password": "s3cret"},
}
IN_ORDER = (
    "credentials",
    "mariadb-server",
    "keystone-create-keystone",
    "keystone-db-sync",
    "keystone-bootstrap",
    "keystone-api",
    "keystone-catalogue",
)


def synthesised(folder: Path) -> list[Object]:
    """What the deployment becomes, as its files have it."""
    (folder / "deployment.yaml").write_text(DEPLOYMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK8S_OUTDIR", str(folder / "dist"))
        Cloud(folder / "deployment.yaml").synth()
    return [yaml.safe_load(path.read_text()) for path in sorted((folder / "dist").rglob("*.yaml"))]


def openstack(node: Node, *words: str) -> Any:
    """What the client says that is run in its Pod with the administrator's variables, as an operator does."""
    end = node.container("keystone-client").run(["openstack", *words, "-f", "json"])
    assert end.returncode == 0, end.stderr
    return json.loads(end.stdout)


def url(node: Node) -> str:
    return f"http://{node.pod('keystone-api').address}:5000/v3"


def api(node: Node) -> Adapter:
    """Requests as the administrator, by the password that the credentials Job made."""
    admin = node.secret("keystone-admin")
    log_in = v3.Password(
        auth_url=url(node),
        username=admin["username"],
        password=admin["password"],
        user_domain_name=admin["user_domain_name"],
        project_name=admin["project_name"],
        project_domain_name=admin["project_domain_name"],
    )
    return Adapter(Session(auth=log_in, timeout=30), endpoint_override=url(node))


def rotated(node: Node, repository: str) -> list[str]:
    """The numbers of the keys after one run of the CronJob, once the API's Pod sees them."""
    assert node.run_now(f"{repository}-rotate").phase == "Succeeded"
    keys = sorted(node.secret(repository))
    directory = f"/var/lib/keystone/{repository.removeprefix('keystone-')}"
    node.until(lambda: node.container("keystone-api").run(["ls", directory]).stdout.split() == keys)
    return keys


def is_valid(node: Node, token: str | None) -> bool:
    """Whether Keystone takes a token for what it says it is."""
    return bool(api(node).get("/auth/tokens", headers={"X-Subject-Token": token}, raise_exc=False).status_code == 200)


def everything_comes_up_once_and_in_the_order_of_its_gates(node: Node) -> None:
    assert not [row for row in node.rows() if row.after is None or row.restarts]
    ready = {name: node.came_up(name) for name in IN_ORDER}
    assert sorted(ready, key=lambda name: ready[name]) == list(IN_ORDER), ready


def what_is_not_run_is_named_with_its_reason(node: Node) -> None:
    named = {w["metadata"]["name"] for w in node.controllers.workloads} - {p.owner for p in node.pods.values()}
    assert {name.partition("-control")[0] for name in named} == {
        "image-cache",
        "local-volume-provisioner",
        "mariadb-exporter",
    }
    assert all(f" {name}: " in node.table() for name in named)


def the_api_runs_as_its_manifest_says(node: Node) -> None:
    container = node.container("keystone-api")
    status = Path(f"/proc/{container.first_process()}/status").read_text()
    assert "Uid:\t42424\t42424\t42424\t42424\n" in status
    assert "CapBnd:\t0000000000000000\n" in status
    assert "NoNewPrivs:\t1\n" in status
    assert "Read-only file system" in container.run(["touch", "/etc/keystone/mine"]).stderr
    assert "Read-only file system" in container.run(["touch", "/mine"]).stderr


def the_client_in_its_pod_issues_a_token_and_makes_a_project_and_a_user(node: Node) -> None:
    assert openstack(node, "token", "issue")["id"].startswith("gAAAAA")
    project = openstack(node, "project", "create", "p1")
    user = openstack(node, "user", "create", "--project", "p1", "--password", "s3cret", "u1")
    assert api(node).get(f"/users/{user['id']}").json()["user"]["default_project_id"] == project["id"]
    log_in = v3.Password(auth_url=url(node), username="u1", password="s3cret", user_domain_name="Default")
    assert Session(auth=log_in).get_user_id() == user["id"]


def the_catalogue_has_the_endpoints_of_the_manifests(node: Node) -> None:
    (service,) = openstack(node, "catalog", "list")
    found = {(e["interface"], e["region"]): e["url"] for e in service["Endpoints"]}
    inside = "http://keystone-api.openstack.svc.cluster.local:5000/v3"
    outside = "https://keystone.cloud.example.org/v3"
    assert (service["Type"], found) == (
        "identity",
        {("internal", "RegionOne"): inside, ("admin", "RegionOne"): inside, ("public", "RegionOne"): outside},
    )


def what_is_made_is_told_on_the_bus(node: Node) -> None:
    api(node).post("/projects", json={"project": {"name": "told"}})
    list_queues = ["rabbitmqctl", "-q", "--formatter", "json", "list_queues", "-p", "notifications", "name", "messages"]
    end = node.container("rabbitmq-notifications").run(list_queues)
    assert end.returncode == 0, end.stdout + end.stderr
    queues = {queue["name"]: queue["messages"] for queue in json.loads(end.stdout)}
    assert queues["notifications.info"] > 0
    assert queues["stacklight_notifications.info"] > 0


def keystone_starts_with_a_domain_that_an_ldap_directory_holds(node: Node) -> None:
    (domain,) = api(node).get("/domains?name=people").json()["domains"]
    node.restart("keystone-api")
    config = api(node).get(f"/domains/{domain['id']}/config").json()["config"]
    assert config == {
        "identity": {"driver": "ldap"},
        "ldap": {"url": "ldap://127.0.0.1:9", "suffix": "dc=example", "user": "cn=reader"},
    }


def a_rotation_of_the_keys_keeps_old_tokens_valid(node: Node) -> None:
    before = api(node).get_token()
    assert rotated(node, "keystone-fernet-keys") == ["0", "1", "2"]
    after = api(node).get_token()
    assert is_valid(node, before)
    assert is_valid(node, after)
    assert not is_valid(node, f"{before}x")


def a_rotation_of_the_other_keys_keeps_credentials_readable(node: Node) -> None:
    (admin,) = api(node).get("/users?name=admin").json()["users"]
    wanted = {"type": "totp", "blob": "JBSWY3DPEHPK3PXP", "user_id": admin["id"]}
    made = api(node).post("/credentials", json={"credential": wanted}).json()["credential"]["id"]
    assert rotated(node, "keystone-credential-keys") == ["0", "1", "2"]
    assert rotated(node, "keystone-credential-keys") == ["0", "2", "3"]  # the key that encrypted it at first is gone
    assert api(node).get(f"/credentials/{made}").json()["credential"]["blob"] == wanted["blob"]


def the_database_is_cleaned(node: Node) -> None:
    assert node.run_now("keystone-db-purge").phase == "Succeeded"


def nothing_that_was_logged_is_deprecated_or_a_traceback(node: Node) -> None:
    logged = {p.name: p.said(100_000) for p in node.pods.values() if p.owner.startswith("keystone")}
    bad = ("Deprecated: Option", "Truncating password", "Traceback", " ERROR ", " CRITICAL ")
    lines = {(name, line) for name, text in logged.items() for line in text.splitlines() if any(word in line for word in bad)}
    # credential_migrate says so of every repository that it may not write to, and goes on: it has no need to.
    assert not {(name, line) for name, line in lines if "does not have sufficient permission to access it" not in line}


# Of one test, so that there is one boot however tests are spread over processes.
SHOWN: tuple[Callable[[Node], None], ...] = (
    everything_comes_up_once_and_in_the_order_of_its_gates,
    what_is_not_run_is_named_with_its_reason,
    the_api_runs_as_its_manifest_says,
    the_client_in_its_pod_issues_a_token_and_makes_a_project_and_a_user,
    the_catalogue_has_the_endpoints_of_the_manifests,
    what_is_made_is_told_on_the_bus,
    keystone_starts_with_a_domain_that_an_ldap_directory_holds,
    a_rotation_of_the_keys_keeps_old_tokens_valid,
    a_rotation_of_the_other_keys_keeps_credentials_readable,
    the_database_is_cleaned,
    nothing_that_was_logged_is_deprecated_or_a_traceback,
)


def test_keystone_boots(subtests: pytest.Subtests, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with booted([*synthesised(tmp_path), OPERATORS_SECRET]) as node:
        seconds = node.wait()
        with capsys.disabled():  # for people, and past the processes of pytest-xdist, which keep their output to themselves
            print(f"\n{node.table()}\n  all of it after {seconds:.0f} s", file=sys.stderr)  # noqa: T201
        for show in SHOWN:
            with subtests.test(show.__name__.replace("_", " ")):
                show(node)
