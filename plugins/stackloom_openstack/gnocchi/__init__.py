"""Metrics: Gnocchi."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Database, Endpoint, Service, ServiceUser, hookimpl, kolla_image
from stackloom_openstack.gnocchi.build import build
from stackloom_openstack.gnocchi.features import TelemetryFeatures
from stackloom_openstack.gnocchi.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Gnocchi."""
    yield Service(
        name="gnocchi",
        type="metric",
        build=build,
        features=TelemetryFeatures,
        features_key="telemetry",
        rules=rules,
        requires=frozenset({"cache", "coordination", "database", "identity"}),
        uses=frozenset({"ceph"}),
        endpoints=(Endpoint(service="gnocchi-api", port=8041, type="metric", public="gnocchi"),),
        # That of the API has all of Gnocchi, and what it needs for Ceph and S3.
        images={"gnocchi": kolla_image("gnocchi-api")},
        databases=(Database("gnocchi", group="indexer", option="url"),),
        # It validates tokens, and calls nobody: an administrator's rights would be too many.
        user=ServiceUser("gnocchi", roles=("service",)),
        conf=("gnocchi",),
        schemas="stackloom_openstack",
    )
