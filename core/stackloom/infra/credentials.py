"""The component that provides every Secret of the cloud, by the provider that the deployment chooses.

``generated``: a Job makes in the cluster what is missing and never overwrites. ``external-secrets``: the External Secrets
Operator copies from a store. ``existing``: somebody else puts the Secrets there; this component only says which.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stackloom.constructs import tls_proxy
from stackloom.constructs.routes import PUBLIC_TLS_SECRET, public_hosts
from stackloom.fields import ValueFrom
from stackloom.graph import INGRESS
from stackloom.infra.network import api_client_policy
from stackloom.manifests import objects
from stackloom.manifests.files import ConfigFile
from stackloom.manifests.pod import Container, Pod, Resources
from stackloom.manifests.workloads import Body, Identity, job
from stackloom.model.credential import PART, Credential, Value, authority_keys, certificate_keys
from stackloom.model.names import (
    BUS_OPTIONS,
    account_name,
    account_secret,
    bus_secret,
    database_secret,
    of_generation,
    reader_secret,
    valid_generations,
)
from stackloom.model.service import Service

if TYPE_CHECKING:
    from stackloom.constructs.component import Component
    from stackloom.spec.deployment import OpenStackDeployment
    from stackloom.spec.features import CertificateIssuer

COMPONENT = "credentials"
_PUBLIC_AUTHORITY = "openstack-public-authority"


def cloud_credentials(deployment: OpenStackDeployment) -> list[Credential]:
    """What belongs to the cloud as a whole: the database's administrator, certificates, and whom to trust behind the ingress."""
    return [
        *_public_certificate(deployment),
        *(_internal_authority() if tls_proxy.is_used(deployment) else ()),
        Credential(
            name="mariadb-admin",
            keys={"username": Value.constant("root"), "password": Value.password()},
            readers=frozenset({"mariadb", "task:database"}),
        ),
    ]


def _internal_authority() -> Iterator[Credential]:
    """The authority of the APIs' own certificates, and its certificate alone for those who check them."""
    yield Credential(name=tls_proxy.AUTHORITY, keys=authority_keys("APIs"), readers=frozenset())
    trusted = {"ca.crt": Value.copied(tls_proxy.AUTHORITY, "ca.crt")}
    yield Credential(name=tls_proxy.TRUSTED, keys=trusted, readers=frozenset({INGRESS}))


def _public_certificate(deployment: OpenStackDeployment) -> Iterator[Credential]:
    """The Secret that routes name, and the authority for it where the certificate is not given.

    A certificate that cert-manager keeps is none of these: see :func:`_certificate`.
    """
    ssl = deployment.spec.features.ssl
    if ssl.issuer:
        return
    if given := ssl.public_endpoints:
        keys = {"tls.crt": _taken(given.api_cert), "tls.key": _taken(given.api_key), "ca.crt": _taken(given.ca_cert)}
    else:
        yield Credential(name=_PUBLIC_AUTHORITY, keys=authority_keys("public endpoints"), readers=frozenset())
        keys = certificate_keys(_PUBLIC_AUTHORITY, [f"*.{deployment.spec.public_domain_name}"])
    yield Credential(name=PUBLIC_TLS_SECRET, type="kubernetes.io/tls", keys=keys, readers=frozenset())


def _certificate(who: Identity, deployment: OpenStackDeployment, issuer: CertificateIssuer) -> Body:
    """The certificate of all public hosts, which cert-manager gets from ``issuer``, renews, and keeps in the Secret."""
    name = Identity(name=PUBLIC_TLS_SECRET, namespace=who.namespace, labels=who.labels)
    return name.body(
        "cert-manager.io/v1",
        "Certificate",
        spec={
            "secretName": PUBLIC_TLS_SECRET,
            "dnsNames": public_hosts(deployment),
            "issuerRef": {"name": issuer.name, "kind": issuer.kind, "group": "cert-manager.io"},
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        },
    )


def _taken(given: ValueFrom | str) -> Value:
    if isinstance(given, str):
        return Value(kind="public", text=given)
    ref = given.value_from.secret_key_ref
    return Value.copied(ref.name, ref.key)


def service_credentials(service: Service, generation: int) -> list[Credential]:
    """What follows from a service's record: its accounts, as far as they are valid, and what it declares itself."""
    return [*(c for g in valid_generations(generation) for c in _accounts(service, g)), *service.credentials]


def _accounts(service: Service, generation: int) -> Iterator[Credential]:
    """The users of its databases and of its buses, and its account in Keystone."""

    def account(secret: str, user: str) -> Credential:
        keys = {"username": Value.constant(user), "password": Value.password()}
        return Credential(name=secret, keys=keys, readers=frozenset({service.name}))

    for database in service.databases:
        if not database.user_of:
            yield account(database_secret(service, database, generation), of_generation(database.name, generation))
        if database.reader:
            yield account(reader_secret(service, database, generation), of_generation(database.reader, generation))
    for requirement in sorted(BUS_OPTIONS.keys() & service.needs):
        yield account(bus_secret(service, requirement, generation), of_generation(service.name, generation))
    for user in service.accounts:
        yield account(account_secret(service, user, generation), account_name(user, generation))


def _wanted(credentials: Iterable[Credential]) -> str:
    """The input of the credentials program: of each value what its kind needs."""
    items = [
        {
            "name": c.name,
            **({"type": c.type} if c.type != "Opaque" else {}),
            **({"seeded": True} if c.seeded else {}),
            "keys": {key: _made(value) for key, value in sorted(c.keys.items())},
        }
        for c in sorted(credentials, key=lambda c: c.name)
    ]
    return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]\n"


def _made(value: Value) -> dict[str, Any]:
    made: dict[str, Any] = {"kind": value.kind}
    if value.kind in ("password", "hex"):
        made["length"] = value.length
    if value.text:
        made["text"] = value.text
    if value.source[0]:
        made["source"] = list(value.source)
    if value.kind == "certificate":
        made["usages"] = list(value.usages)
    return made


def _external_secret(who: Identity, credential: Credential, deployment: OpenStackDeployment, known: Collection[str]) -> Body:
    """The ExternalSecret of a credential. What is a copy of another of the ``known`` ones is in the store once, as that one's."""
    chosen = deployment.spec.credentials.external_secrets
    assert chosen is not None  # noqa: S101 - the specification's rules demand it with this provider
    places = {
        key: value.source if value.kind == "copy" and value.source[0] in known else (credential.name, key)
        for key, value in sorted(credential.keys.items())
        if value.kind not in ("text", "public", "template")
    }
    template = {key: value.text for key, value in sorted(credential.keys.items()) if value.kind in ("text", "public")}
    composed = {key: value for key, value in sorted(credential.keys.items()) if value.kind == "template"}
    template |= {key: _operators_template(value, template) for key, value in composed.items()}
    target: dict[str, Any] = {"name": credential.name, "creationPolicy": "Orphan", "deletionPolicy": "Retain"}
    if template or credential.type != "Opaque":
        target["template"] = {"type": credential.type, "mergePolicy": "Merge", **({"data": template} if template else {})}
    source: dict[str, Any] = (
        {"dataFrom": [{"extract": {"key": f"{chosen.prefix}{credential.name}"}}]}
        if credential.seeded
        else {
            "data": [
                {"secretKey": key, "remoteRef": {"key": f"{chosen.prefix}{secret}", "property": name}}
                for key, (secret, name) in places.items()
            ]
        }
    )
    return who.body(
        "external-secrets.io/v1",
        "ExternalSecret",
        spec={
            "secretStoreRef": {"name": chosen.store.name, "kind": chosen.store.kind},
            "refreshInterval": chosen.refresh_interval,
            "target": target,
            **source,
        },
    )


def _operators_template(value: Value, plain: Mapping[str, str]) -> str:
    """A template in the language of the External Secrets Operator, which is Go's. What is no secret is put in at once."""

    def part(match: re.Match[str]) -> str:
        return plain[match[1]] if match[1] in plain else f'{{{{ index . "{match[1]}" }}}}'

    return PART.sub(part, value.text.replace("{{", '{{ "{{" }}'))


def build_credentials(
    component: Component,
    who: Identity,
    deployment: OpenStackDeployment,
    credentials: Sequence[Credential],
    *,
    image: str,
    program: Sequence[ConfigFile],
) -> None:
    """Add what the deployment's provider needs to bring ``credentials`` into the cluster."""
    provider = deployment.spec.credentials.provider
    if issuer := deployment.spec.features.ssl.issuer:
        component.add(_certificate(who, deployment, issuer))
    if provider == "external-secrets":
        # Authorities are for making certificates here, and these come from the store, each with what to trust; but for those
        # that Pods read, to make certificates of what is known nowhere else.
        stored = [c for c in credentials if c.readers or all(value.kind != "authority" for value in c.keys.values())]
        known = {credential.name for credential in stored}
        for credential in stored:
            name = Identity(name=credential.name, namespace=who.namespace, labels=who.labels)
            component.add(_external_secret(name, credential, deployment, known))
    if provider != "generated":
        return
    wanted = ConfigFile("/etc/stackloom/credentials.json", COMPONENT, "credentials.json", _wanted(credentials))
    component.add(objects.config_map(who, {wanted.key: wanted.text}))
    component.add(objects.service_account(who))
    # Secrets cannot be created under a rule that names them; reading and completing them is held to those of this cloud.
    names = sorted({c.name for c in credentials} | {v.source[0] for c in credentials for v in c.keys.values() if v.source[0]})
    component.add(
        objects.role(
            who,
            [
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
                {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get", "patch"]},
            ],
        )
    )
    component.add(objects.role_binding(who, [{"kind": "ServiceAccount", "name": who.name, "namespace": who.namespace}]))
    container = Container(
        name=COMPONENT,
        image=image,
        command=["python3", "/opt/stackloom/programs/credentials.py", wanted.path],
        files=[*program, wanted],
        resources=Resources(cpu="50m", memory="64Mi", memory_limit="256Mi").body(),
    )
    component.add(job(who, Pod(containers=[container], service_account=who.name, token=True, restart_policy="OnFailure")))
    if deployment.spec.features.network_policies.enabled:
        component.add(api_client_policy(who))
