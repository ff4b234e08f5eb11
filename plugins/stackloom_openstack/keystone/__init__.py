"""Keystone: identity, tokens and the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Database, Endpoint, Service, hookimpl, openstack_image
from stackloom_openstack.keystone.build import build
from stackloom_openstack.keystone.features import KeystoneFeatures
from stackloom_openstack.keystone.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Keystone."""
    yield Service(
        name="keystone",
        type="identity",
        build=build,
        features=KeystoneFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"database", "cache"}),
        uses=frozenset({"notifications"}),
        endpoints=(Endpoint(service="keystone-api", port=5000, type="identity", path="/v3", public="keystone"),),
        images={"keystone": openstack_image("keystone")},
        databases=(Database("keystone"),),
        conf=("keystone",),
        schemas="stackloom_openstack",
        cleanup=Cleanup(schedule="1 0 * * 0"),
    )
