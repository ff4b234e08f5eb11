"""Alarms: Aodh."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Database, Endpoint, Service, hookimpl, kolla_image
from stackloom_openstack.aodh import accounts
from stackloom_openstack.aodh.build import build
from stackloom_openstack.aodh.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Aodh."""
    yield Service(
        name="aodh",
        type="alarming",
        build=build,
        features_key="telemetry",
        rules=rules,
        # Its parts speak over the bus on which Ceilometer tells it of events.
        requires=frozenset({"cache", "coordination", "database", "identity", "metric", "notifications"}),
        uses=frozenset({"load-balancer", "orchestration"}),
        endpoints=(Endpoint(service="aodh-api", port=8042, type="alarming", public="aodh"),),
        # That of the API has all of Aodh.
        images={"aodh": kolla_image("aodh-api")},
        databases=(Database("aodh"),),
        user=accounts.SERVICE,
        users=(accounts.TRUSTEE,),
        conf=("aodh",),
        schemas="stackloom_openstack",
        cleanup=Cleanup(schedule="1 6 * * 1"),
    )
