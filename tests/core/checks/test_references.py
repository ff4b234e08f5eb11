from __future__ import annotations

import dataclasses

import pytest

from stackloom.checks import External, references
from stackloom.model.credential import Credential, Value
from tests.core.checks.cloud import API, CONTEXT, FIRST, POD, Mistake, body, changed, cloud, mistakes, said, without

INGRESS = "keystone/Ingress/keystone"
BINDING = "keystone/RoleBinding/keystone"
PATH = ("spec", "rules", 0, "http", "paths", 0, "backend", "service")
SECRET = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "keystone-database", "key": "pasword"}}}


@pytest.mark.parametrize("mistake", mistakes("references"))
def test_a_reference_that_leads_nowhere_is_named(mistake: Mistake) -> None:
    assert said(references.check, mistake.output) == [mistake.says]


@pytest.mark.parametrize("kind", ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"])
def test_a_webhook_is_called_at_a_service_that_exists(kind: str) -> None:
    hook = {"clientConfig": {"service": {"name": "keystone-api", "namespace": "openstack", "port": 443}}}
    (message,) = said(references.check, cloud(body(kind, "x", webhooks=[hook])))
    assert message.endswith("webhooks[0].clientConfig.service: the Service 'keystone-api' has no port '443'. Known: 5000, api")


def test_the_secrets_of_a_service_account_exist() -> None:
    (message,) = said(references.check, cloud(body("ServiceAccount", "x", imagePullSecrets=[{"name": "registry"}])))
    assert message.endswith("imagePullSecrets[0]: the Secret 'registry' is no credential, and not declared as an external")


def test_an_optional_reference_may_lead_nowhere() -> None:
    output = changed(API, *POD, "volumes", 0, "configMap", "optional", to=True, output=without("keystone/ConfigMap/keystone-etc"))
    absent = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y", "optional": True}}}
    assert said(references.check, changed(API, *FIRST, "env", 0, to=absent, output=output)) == []


def test_the_keys_of_a_seeded_credential_are_not_known() -> None:
    items = [{"key": "17", "path": "17"}]
    assert said(references.check, changed(API, *POD, "volumes", 1, "secret", "items", to=items)) == []


def test_a_secret_may_be_made_by_a_certificate_or_an_external_secret() -> None:
    certificate = body("Certificate", "x", spec={"secretName": "made", "issuerRef": {"name": "ca"}})
    brought = body("ExternalSecret", "y", spec={"data": [{"secretKey": "token"}], "target": {"name": "brought"}})
    context = dataclasses.replace(CONTEXT, externals=External.of({**CONTEXT.externals.names, "Issuer": ["ca"]}))
    for secret, key, other in (("made", "tls.crt", "tls.cert"), ("brought", "token", "tokens")):
        ref = {"name": "X", "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        assert said(references.check, changed(API, *FIRST, "env", 0, to=ref, output=cloud(certificate, brought)), context) == []
        ref["valueFrom"]["secretKeyRef"]["key"] = other  # type: ignore[index]
        (message,) = said(references.check, changed(API, *FIRST, "env", 0, to=ref, output=cloud(certificate, brought)), context)
        assert f"the Secret {secret!r} has no key {other!r}. Did you mean {key!r}?" in message


def test_the_keys_of_an_external_secret_that_takes_all_there_is_are_not_known() -> None:
    brought = body("ExternalSecret", "brought", spec={"dataFrom": [{"extract": {"key": "x"}}]})
    ref = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "brought", "key": "any"}}}
    assert said(references.check, changed(API, *FIRST, "env", 0, to=ref, output=cloud(brought))) == []


def test_an_external_secret_may_bring_a_credential_here() -> None:
    brought = body("ExternalSecret", "keystone-database", spec={"data": [{"secretKey": "password"}]})
    assert said(references.check, cloud(brought)) == []


def test_a_secret_has_one_maker() -> None:
    again = Credential(name="keystone-database", keys={"x": Value.password()}, readers=frozenset())
    context = dataclasses.replace(CONTEXT, credentials=(*CONTEXT.credentials, again))
    assert said(references.check, cloud(), context) == [
        "Secret keystone-database: is made more than once: by a credential and a credential. Keep one of them"
    ]
    certificate = body("Certificate", "x", spec={"secretName": "ingress-tls", "issuerRef": {"name": "ca"}})
    context = dataclasses.replace(CONTEXT, externals=External.of({**CONTEXT.externals.names, "Issuer": ["ca"]}))
    assert said(references.check, cloud(certificate), context) == [
        "Secret ingress-tls: is made more than once: by extra/Certificate/x and something outside the output. Keep one of them"
    ]
