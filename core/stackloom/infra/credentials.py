"""The component that provides every Secret of the cloud, by the provider that the deployment chooses.

``generated``: a Job makes in the cluster what is missing and never overwrites. ``external-secrets``: the External Secrets
Operator copies from a store. ``existing``: somebody else puts the Secrets there; this component only says which.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stackloom.constructs.apis import PUBLIC_TLS_SECRET
from stackloom.fields import ValueFrom
from stackloom.infra.network import api_client_policy
from stackloom.manifests import objects
from stackloom.manifests.files import ConfigFile
from stackloom.manifests.pod import Container, Pod, Resources
from stackloom.manifests.workloads import Body, Identity, job
from stackloom.model.backend import backend
from stackloom.model.credential import Credential, Value
from stackloom.model.names import BUS_OPTIONS, bus_secret, database_secret, of_generation, user_secret, valid_generations
from stackloom.model.service import Service

if TYPE_CHECKING:
    from stackloom.constructs.component import Component
    from stackloom.spec.deployment import OpenStackDeployment

COMPONENT = "credentials"


def cloud_credentials(deployment: OpenStackDeployment) -> list[Credential]:
    """What belongs to the cloud as a whole: the database's administrator, the certificate of the public endpoints."""
    return [
        Credential(name=PUBLIC_TLS_SECRET, type="kubernetes.io/tls", keys=_public_certificate(deployment), readers=frozenset()),
        Credential(
            name="mariadb-admin",
            keys={"username": Value.constant("root"), "password": Value.password()},
            readers=frozenset({"mariadb", "task:database"}),
        ),
    ]


def _public_certificate(deployment: OpenStackDeployment) -> dict[str, Value]:
    given = deployment.spec.features.ssl.public_endpoints
    if given is None:
        names = f"*.{deployment.spec.public_domain_name}"
        return {"tls.crt": Value(kind="certificate", text=names), "tls.key": Value(kind="certificate-key", text=names)}
    return {"tls.crt": _taken(given.api_cert), "tls.key": _taken(given.api_key)}


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

    def account(secret: str, user: str, *readers: str) -> Credential:
        keys = {"username": Value.constant(of_generation(user, generation)), "password": Value.password()}
        return Credential(name=secret, keys=keys, readers=frozenset({service.name, *readers}))

    for database in service.databases:
        yield account(database_secret(service, database, generation), database.name)
    for requirement in sorted(BUS_OPTIONS.keys() & service.needs):
        bus = backend(requirement, service.name).component
        yield account(bus_secret(service, requirement, generation), service.name, bus)
    if service.user:
        yield account(user_secret(service, generation), service.user.name)


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
    if value.kind == "certificate" and value.source[0]:
        made["usages"] = list(value.usages)
    return made


def _external_secret(who: Identity, credential: Credential, deployment: OpenStackDeployment) -> Body:
    chosen = deployment.spec.credentials.external_secrets
    assert chosen is not None  # noqa: S101 - the specification's rules demand it with this provider
    remote = f"{chosen.prefix}{credential.name}"
    keys = [key for key, value in sorted(credential.keys.items()) if value.kind not in ("text", "public")]
    template = {key: value.text for key, value in sorted(credential.keys.items()) if value.kind in ("text", "public")}
    target: dict[str, Any] = {"name": credential.name, "creationPolicy": "Orphan", "deletionPolicy": "Retain"}
    if template or credential.type != "Opaque":
        target["template"] = {"type": credential.type, "mergePolicy": "Merge", **({"data": template} if template else {})}
    source: dict[str, Any] = (
        {"dataFrom": [{"extract": {"key": remote}}]}
        if credential.seeded
        else {"data": [{"secretKey": key, "remoteRef": {"key": remote, "property": key}} for key in keys]}
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
    if provider == "external-secrets":
        for credential in credentials:
            name = Identity(name=credential.name, namespace=who.namespace, labels=who.labels)
            component.add(_external_secret(name, credential, deployment))
    if provider != "generated":
        return
    wanted = ConfigFile("/etc/stackloom/credentials.json", COMPONENT, "credentials.json", _wanted(credentials))
    component.add(objects.config_map(who, {wanted.key: wanted.text}))
    component.add(objects.service_account(who))
    # Secrets cannot be created under a rule that names them; reading and completing them is held to those of this cloud.
    names = sorted(
        {c.name for c in credentials} | {v.source[0] for c in credentials for v in c.keys.values() if v.source[0]}
    )
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
