"""The key manager: Barbican."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Database, Endpoint, Service, ServiceUser, hookimpl, openstack_image
from stackloom_openstack.barbican.build import build
from stackloom_openstack.barbican.features import BarbicanFeatures
from stackloom_openstack.barbican.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Barbican."""
    yield Service(
        name="barbican",
        type="key-manager",
        build=build,
        features=BarbicanFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf"}),
        requires=frozenset({"cache", "database", "identity"}),
        uses=frozenset({"notifications"}),
        endpoints=(Endpoint(service="barbican-api", port=9311, type="key-manager", public="barbican"),),
        images={"barbican": openstack_image("barbican")},
        databases=(Database("barbican"),),
        # It validates tokens, and calls nobody: an administrator's rights would be too many.
        user=ServiceUser("barbican", roles=("service",)),
        roles=("audit", "creator", "key-manager:service-admin", "observer"),
        conf=("barbican",),
        schemas="stackloom_openstack",
        cleanup=Cleanup(schedule="1 4 * * 1"),
    )
