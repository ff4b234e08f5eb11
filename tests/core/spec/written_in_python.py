"""A deployment written in Python instead of YAML, as in a ``main.py``. mypy checks it with the rest of the project."""

from __future__ import annotations

from stackloom.fields import SecretKeyRef, SecretSource, ValueFrom
from stackloom.spec.deployment import Metadata, OpenStackDeployment, Spec
from stackloom.spec.features import Features, Policies, PublicEndpoints, Ssl
from stackloom.spec.nodes import NodeOverride
from stackloom.spec.operations import Credentials
from stackloom.spec.values import Chart, Values
from tests.core.spec.cloud import KeystoneFeatures, NovaFeatures, NovaNodeFeatures


def secret(key: str) -> ValueFrom:
    return ValueFrom(value_from=SecretSource(secret_key_ref=SecretKeyRef(name="tls", key=key)))


CLOUD = OpenStackDeployment(
    metadata=Metadata(name="cloud"),
    spec=Spec(
        openstack_version="gazpacho",
        preset="core",
        size="single",
        public_domain_name="cloud.example.org",
        credentials=Credentials(provider="existing"),
        features=Features(
            ssl=Ssl(public_endpoints=PublicEndpoints(ca_cert=secret("ca"), api_cert=secret("cert"), api_key=secret("key"))),
            policies=Policies(nova={"os_compute_api:servers:create": "rule:project_member_or_admin"}),
            keystone=KeystoneFeatures(token_hours=8),
            nova=NovaFeatures(live_migration_interface="ens3"),
        ),
        services={"identity": {"keystone": Chart(values=Values(conf={"keystone": {"token": {"expiration": 3600}}}))}},
        nodes={"rack::r1": NodeOverride(features={"nova": NovaNodeFeatures(live_migration_interface="ens4")})},
    ),
)
