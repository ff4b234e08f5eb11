from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stackloom import Credential, Database, Endpoint, Service, ServiceUser, StackloomError, Value
from stackloom.constructs.component import Component, new_app
from stackloom.constructs.routes import PUBLIC_TLS_SECRET
from stackloom.infra.credentials import COMPONENT, build_credentials, cloud_credentials, service_credentials
from stackloom.manifests.workloads import Identity
from stackloom.model.credential import authority_keys, certificate_keys
from stackloom.spec import loader
from stackloom.spec.deployment import OpenStackDeployment
from stackloom.spec.source import Source
from tests.bad_inputs import USUAL, patched
from tests.real.certificates import Authority

STORE = {"provider": "external-secrets", "external_secrets": {"store": {"name": "vault"}, "prefix": "clouds/one/"}}
GLANCE = Service(
    name="glance",
    type="image",
    build=lambda _: None,
    requires=frozenset({"messaging"}),
    uses=frozenset({"notifications"}),
    databases=(Database("glance"), Database("glance_cell0", group="cell_database")),
    user=ServiceUser(name="glance"),
)
PASSWORDS = Credential(
    name="glance-database",
    keys={"username": Value.constant("glance"), "password": Value.password()},
    readers=frozenset({"glance"}),
)
KEYS = Credential(name="glance-keys", keys={"0": Value.fernet()}, readers=frozenset({"glance"}), seeded=True)


def deployment(**spec: Any) -> OpenStackDeployment:
    endpoint = Endpoint(service="glance-api", port=9292, public="glance")
    services = [Service(name="glance", type="image", build=lambda _: None, endpoints=(endpoint,))]
    data = patched(USUAL, {"spec": {"features": {"services": ["image"]}}})
    return loader.load(Source.from_mapping(patched(data, {"spec": spec})), services)


@pytest.fixture
def component(tmp_path: Path) -> Component:
    return Component(new_app(tmp_path), COMPONENT, namespace="openstack", level=0)


def build(component: Component, *credentials: Credential, **chosen: Any) -> dict[str, dict[str, Any]]:
    """The objects that bring these credentials, as ``Kind/name``, a Job without its hash."""
    who = Identity(name=COMPONENT, namespace="openstack", labels={"application": COMPONENT, "component": COMPONENT})
    build_credentials(
        component, who, deployment(credentials=chosen), credentials, image="registry.example.org/toolbox:1", program=()
    )
    named = {b["metadata"]["labels"].get("stackloom.io/job", b["metadata"]["name"]): b for b in component.bodies()}
    return {f"{b['kind']}/{name}": b for name, b in named.items()} if chosen else {b["kind"]: b for b in component.bodies()}


def test_the_databases_of_a_service_have_a_user_each_that_the_service_alone_reads():
    made = {c.name: c for c in service_credentials(GLANCE, 1)}
    assert made["glance-database"].keys["username"] == Value.constant("glance")
    assert made["glance-glance-cell0-database"].keys["username"] == Value.constant("glance_cell0")
    assert made["glance-database"].readers == {"glance"}


def test_who_only_reads_a_database_has_an_account_of_their_own():
    zones = Service(name="dns", type="dns", databases=(Database("zones", reader="zones_reader"),))
    made = {c.name: c.keys["username"].text for c in service_credentials(zones, 2)}
    assert made == {
        "dns-database": "zones",
        "dns-zones-reader-database": "zones_reader",
        "dns-database-2": "zones-2",
        "dns-zones-reader-database-2": "zones_reader-2",
    }


def test_the_accounts_of_a_service_on_its_buses_are_its_own():
    made = {c.name: c for c in service_credentials(GLANCE, 1)}
    assert made["glance-messaging"].readers == made["glance-notifications"].readers == {"glance"}


def test_a_service_without_needs_has_the_credentials_that_it_declares():
    assert service_credentials(Service(name="x", type="x", credentials=(KEYS,)), 1) == [KEYS]


def test_the_administrator_of_the_database_is_for_the_database_and_the_tasks_that_make_databases():
    (admin,) = [c for c in cloud_credentials(deployment()) if c.name == "mariadb-admin"]
    assert admin.readers == {"mariadb", "task:database"}


def test_a_job_makes_what_is_missing(component: Component):
    made = build(component, PASSWORDS, KEYS)
    assert set(made) == {"ConfigMap", "ServiceAccount", "Role", "RoleBinding", "Job", "NetworkPolicy"}
    wanted = json.loads(made["ConfigMap"]["data"]["credentials.json"])
    assert [(w["name"], w.get("seeded", False)) for w in wanted] == [("glance-database", False), ("glance-keys", True)]
    assert wanted[0]["keys"]["password"] == {"kind": "password", "length": 32}


def test_the_job_may_create_secrets_and_touch_none_but_those_of_the_cloud(component: Component):
    create, touch = build(component, PASSWORDS)["Role"]["rules"]
    assert create == {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
    assert touch["resourceNames"] == ["glance-database"]
    assert not {"delete", "update", "list", "watch"} & set(touch["verbs"])


def test_the_job_may_read_the_secrets_that_it_copies_from(component: Component):
    copied = Credential(name="copy", keys={"key": Value.copied("original", "key")}, readers=frozenset())
    assert build(component, copied)["Role"]["rules"][1]["resourceNames"] == ["copy", "original"]


def test_a_new_credential_makes_another_job(tmp_path: Path):
    def name(*credentials: Credential) -> str:
        made = build(Component(new_app(tmp_path), COMPONENT, namespace="openstack", level=0), *credentials)
        return str(made["Job"]["metadata"]["name"])

    assert name(PASSWORDS) == name(PASSWORDS) != name(PASSWORDS, KEYS)


def test_a_copy_of_another_credential_is_in_the_store_once(component: Component):
    copied = Credential(
        name="rabbitmq-nova-users", keys={"nova": Value.copied("glance-database", "password")}, readers=frozenset()
    )
    spec = build(component, PASSWORDS, copied, **STORE)["ExternalSecret/rabbitmq-nova-users"]["spec"]
    reference = {"key": "clouds/one/glance-database", "property": "password"}
    assert spec["data"] == [{"secretKey": "nova", "remoteRef": reference}]


def test_an_external_secret_copies_each_secret_key_and_brings_the_plain_ones_itself(component: Component):
    made = build(component, PASSWORDS, **STORE)
    assert set(made) == {"ExternalSecret/glance-database"}
    spec = made["ExternalSecret/glance-database"]["spec"]
    remote = {"key": "clouds/one/glance-database", "property": "password"}
    assert spec["data"] == [{"secretKey": "password", "remoteRef": remote}]
    assert spec["target"]["template"]["data"] == {"username": "glance"}
    assert spec["secretStoreRef"] == {"name": "vault", "kind": "ClusterSecretStore"}


def test_a_secret_outlives_the_object_that_brought_it(component: Component):
    target = build(component, PASSWORDS, **STORE)["ExternalSecret/glance-database"]["spec"]["target"]
    assert (target["creationPolicy"], target["deletionPolicy"]) == ("Orphan", "Retain")


def test_a_secret_whose_keys_change_is_copied_whole(component: Component):
    spec = build(component, KEYS, **STORE)["ExternalSecret/glance-keys"]["spec"]
    assert spec["dataFrom"] == [{"extract": {"key": "clouds/one/glance-keys"}}]
    assert "data" not in spec


def test_secrets_that_others_bring_need_no_object(component: Component):
    assert build(component, PASSWORDS, KEYS, provider="existing") == {}


def of_public_endpoints(**ssl: Any) -> dict[str, Credential]:
    """What is made for the certificate of the public endpoints, nobody's to read."""
    made = {c.name: c for c in cloud_credentials(deployment(features={"ssl": {**ssl, "tls_proxy": {"enabled": False}}}))}
    del made["mariadb-admin"]
    assert not any(credential.readers for credential in made.values())
    return made


def test_an_authority_of_the_clouds_own_issues_the_certificate_of_all_public_hosts():
    made = of_public_endpoints()
    assert made.keys() == {PUBLIC_TLS_SECRET, "openstack-public-authority"}
    assert made["openstack-public-authority"].keys == authority_keys("public endpoints")
    assert made[PUBLIC_TLS_SECRET].type == "kubernetes.io/tls"
    assert made[PUBLIC_TLS_SECRET].keys == certificate_keys("openstack-public-authority", ["*.cloud.example.org"])


def test_a_certificate_that_is_given_is_taken_with_its_key_and_authority(tmp_path: Path):
    trusted = Authority(tmp_path).certificate.read_text()
    given = {key: {"value_from": {"secret_key_ref": {"name": "ours", "key": key}}} for key in ("api_cert", "api_key")}
    made = of_public_endpoints(public_endpoints={**given, "ca_cert": trusted})
    assert made.keys() == {PUBLIC_TLS_SECRET}
    assert made[PUBLIC_TLS_SECRET].keys == {
        "tls.crt": Value.copied("ours", "api_cert"),
        "tls.key": Value.copied("ours", "api_key"),
        "ca.crt": Value(kind="public", text=trusted),
    }


def test_the_certificate_of_an_issuer_is_cert_managers_to_make():
    assert of_public_endpoints(issuer={"name": "acme"}) == {}


@pytest.mark.parametrize("provider", ["generated", "existing"])
def test_cert_manager_is_asked_for_a_certificate_of_every_public_host(component: Component, provider: str):
    who = Identity(name=COMPONENT, namespace="openstack", labels={"application": COMPONENT, "component": COMPONENT})
    chosen = {"credentials": {"provider": provider}, "features": {"ssl": {"issuer": {"name": "acme", "kind": "Issuer"}}}}
    build_credentials(component, who, deployment(**chosen), [PASSWORDS], image="registry.example.org/toolbox:1", program=())
    (certificate,) = (b for b in component.bodies() if b["kind"] == "Certificate")
    assert certificate["spec"]["dnsNames"] == ["glance.cloud.example.org"]
    assert certificate["spec"]["secretName"] == PUBLIC_TLS_SECRET
    assert certificate["spec"]["issuerRef"] == {"name": "acme", "kind": "Issuer", "group": "cert-manager.io"}


def test_certificates_from_a_store_need_no_authority_of_ours(component: Component):
    authority = Credential(name="etcd-authority", keys=authority_keys("etcd"), readers=frozenset())
    issued = Credential(name="etcd-tls", keys=certificate_keys(authority.name, ["etcd"]), readers=frozenset({"etcd"}))
    made = build(component, authority, issued, **STORE)
    assert set(made) == {"ExternalSecret/etcd-tls"}
    places = {d["secretKey"]: d["remoteRef"] for d in made["ExternalSecret/etcd-tls"]["spec"]["data"]}
    assert places == {key: {"key": "clouds/one/etcd-tls", "property": key} for key in ("ca.crt", "tls.crt", "tls.key")}


def test_the_job_is_told_who_issues_a_certificate_and_what_for(component: Component):
    keys = certificate_keys("etcd-authority", ["a", "b"], usages=("server", "client"))
    made = build(component, Credential(name="etcd-tls", keys=keys, readers=frozenset({"etcd"})))
    (wanted,) = json.loads(made["ConfigMap"]["data"]["credentials.json"])
    leaf = {"kind": "certificate", "text": "a,b", "source": ["etcd-authority", ""], "usages": ["server", "client"]}
    assert (wanted["keys"]["tls.crt"], wanted["keys"]["tls.key"]) == (leaf, {"kind": "certificate-key"})
    assert made["Role"]["rules"][1]["resourceNames"] == ["etcd-authority", "etcd-tls"]


def test_a_template_is_composed_by_the_operator_of_what_it_copies_and_what_is_no_secret(component: Component):
    keys = {
        "user": Value.constant("nova"),
        "key": Value.fernet(),
        "file": Value.template("{{ $(user):$(key)@$(password)"),
        "password": Value.copied("glance-database", "password"),
    }
    made = build(component, PASSWORDS, Credential(name="composed", keys=keys, readers=frozenset()), **STORE)
    spec = made["ExternalSecret/composed"]["spec"]
    assert {item["secretKey"]: item["remoteRef"]["key"] for item in spec["data"]} == {
        "key": "clouds/one/composed",
        "password": "clouds/one/glance-database",
    }
    assert spec["target"]["template"]["data"]["file"] == '{{ "{{" }} nova:{{ index . "key" }}@{{ index . "password" }}'


def test_a_template_of_what_the_secret_does_not_have_is_refused():
    with pytest.raises(StackloomError, match=r"the template 'file' of the Secret 'x' has a part 'kex' that is no value of it"):
        Credential(name="x", keys={"key": Value.fernet(), "file": Value.template("$(kex)")}, readers=frozenset())
