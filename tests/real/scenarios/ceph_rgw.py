"""Ceph's gateway in front of a real Ceph: objects that go in by Swift's API and S3's, of projects that see no others'."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import HttpException

from tests.real.boot.network import NODE
from tests.real.boot.scenario import DOMAIN, RunningCloud, Scenario
from tests.real.ceph import ceph_server, new_key
from tests.real.s3 import S3

URL = f"https://object-store.{DOMAIN}"
PORT = 3300
ADMIN_KEY = new_key()
KEYRING = {"value_from": {"secret_key_ref": {"name": "ceph-admin", "key": "keyring"}}}
OBJECT = secrets.token_bytes(6 * 1024 * 1024)


@contextmanager
def ceph_runs(directory: Path) -> Iterator[None]:
    """The Ceph that is there already, with its monitor at the address that the deployment names, and a pool of others."""
    with ceph_server(directory / "ceph", host=NODE, port=PORT, key=ADMIN_KEY) as ceph:
        ceph.ask("osd", "pool", "create", "images")
        ceph.ask("osd", "pool", "application", "enable", "images", "rbd")
        yield


def user_of(cloud: RunningCloud, project: str, role: str = "member") -> Connection:
    """A user with this role on a project of this name, made anew unless it is there."""
    identity: Any = cloud.admin.identity
    found = identity.find_project(project) or identity.create_project(name=project)
    name, password = f"{project}-{role}", secrets.token_urlsafe(12)
    user = identity.create_user(name=f"{name}-{secrets.token_hex(4)}", password=password, default_project_id=found.id)
    identity.assign_project_role_to_user(found, user, identity.find_role(role))
    domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
    return cloud.connection(username=user.name, password=password, project_name=project, **domains)


def s3_of(cloud: RunningCloud, user: Connection) -> S3:
    """S3 as this user, by EC2 credentials that Keystone keeps."""
    path = f"/users/{user.current_user_id}/credentials/OS-EC2"
    made = user.identity.post(path, json={"tenant_id": user.current_project_id}).json()["credential"]
    return S3(URL, made["access"], made["secret"], str(cloud.authority))


def an_object_that_went_in_by_swifts_api_comes_out_as_it_was(cloud: RunningCloud) -> None:
    user = user_of(cloud, "swift")
    store: Any = user.object_store
    assert store.get_endpoint() == f"{URL}/swift/v1/AUTH_{user.current_project_id}"
    store.create_container("photos")
    store.upload_object("photos", "one", data=OBJECT)
    assert store.download_object("one", container="photos") == OBJECT
    assert [found.name for found in store.objects("photos")] == ["one"]
    assert store.get_account_metadata().account_object_count == 1
    store.delete_object("one", container="photos")
    assert list(store.objects("photos")) == []


def an_object_that_went_in_by_s3_with_ec2_credentials_is_there_by_swifts_api_too(cloud: RunningCloud) -> None:
    user = user_of(cloud, "s3")
    s3 = s3_of(cloud, user)
    assert s3.ask("PUT", "/photos").status_code == 200
    put = s3.ask("PUT", "/photos/one", OBJECT)
    assert put.status_code == 200, put.text
    assert s3.ask("GET", "/photos/one").content == OBJECT
    assert "<Key>one</Key>" in s3.ask("GET", "/photos").text
    store: Any = user.object_store
    assert store.download_object("one", container="photos") == OBJECT
    assert s3.ask("DELETE", "/photos/one").status_code == 204
    assert s3.ask("GET", "/photos/one").status_code == 404


def a_signature_with_another_secret_is_refused(cloud: RunningCloud) -> None:
    s3 = s3_of(cloud, user_of(cloud, "s3"))
    forged = S3(s3.url, s3.access, "another", s3.authority)
    assert forged.ask("GET", "/").status_code == 403
    assert s3.ask("GET", "/").status_code == 200


def a_project_sees_nothing_of_another_and_may_use_the_same_names(cloud: RunningCloud) -> None:
    one: Any = user_of(cloud, "one").object_store
    other_user = user_of(cloud, "other")
    other: Any = other_user.object_store
    for store, data in ((one, b"one's"), (other, b"other's")):
        store.create_container("same")
        store.upload_object("same", "name", data=data)
    assert one.download_object("name", container="same") == b"one's"
    assert other.download_object("name", container="same") == b"other's"
    assert other_user.session.get(f"{one.get_endpoint()}/same/name", raise_exc=False).status_code == 403


def who_only_reads_in_a_project_may_store_nothing(cloud: RunningCloud) -> None:
    store: Any = user_of(cloud, "swift", "reader").object_store
    with pytest.raises(HttpException):
        store.create_container("forbidden")


def the_gateway_asks_keystone_without_an_administrators_rights(cloud: RunningCloud) -> None:
    identity = cloud.admin.identity
    (user,) = identity.get("/users?name=ceph-rgw").json()["users"]
    held = identity.get(f"/role_assignments?user.id={user['id']}&include_names=true").json()["role_assignments"]
    assert [assignment["role"]["name"] for assignment in held] == ["service"]


def ceph_lets_it_into_no_pool_but_those_of_gateways(cloud: RunningCloud) -> None:
    gateway = cloud.node.container("ceph-rgw")
    rados = ["rados", "--name=client.rgw", "--keyring=/etc/ceph/ceph.client.rgw.keyring"]
    pools = gateway.run([*rados, "lspools"]).stdout.split()
    assert {"default.rgw.buckets.data", "images"} <= set(pools)
    assert gateway.run([*rados, "--pool=default.rgw.buckets.data", "ls"]).returncode == 0
    assert gateway.run([*rados, "--pool=images", "ls"]).returncode != 0


def a_gateway_that_was_killed_comes_back_with_what_was_stored(cloud: RunningCloud) -> None:
    store: Any = user_of(cloud, "swift").object_store
    store.upload_object("photos", "kept", data=b"kept")
    cloud.node.restart("ceph-rgw")
    assert store.download_object("kept", container="photos") == b"kept"


SCENARIO = Scenario(
    services=["object-storage"],
    alone=True,
    spec={"features": {"ceph": {"monitors": [f"{NODE}:{PORT}"], "provision": {"keyring": KEYRING}}}},
    objects=[
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "ceph-admin", "namespace": "openstack"},
            "stringData": {"keyring": f"[client.admin]\n\tkey = {ADMIN_KEY}\n"},
        }
    ],
    beside=ceph_runs,
    shows=[
        an_object_that_went_in_by_swifts_api_comes_out_as_it_was,
        an_object_that_went_in_by_s3_with_ec2_credentials_is_there_by_swifts_api_too,
        a_signature_with_another_secret_is_refused,
        a_project_sees_nothing_of_another_and_may_use_the_same_names,
        who_only_reads_in_a_project_may_store_nothing,
        the_gateway_asks_keystone_without_an_administrators_rights,
        ceph_lets_it_into_no_pool_but_those_of_gateways,
        a_gateway_that_was_killed_comes_back_with_what_was_stored,
    ],
)
