"""Orchestration: Heat."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Database, Endpoint, Service, hookimpl, openstack_image
from stackloom_openstack.heat import accounts
from stackloom_openstack.heat.build import build
from stackloom_openstack.heat.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Heat."""
    yield Service(
        name="heat",
        type="orchestration",
        build=build,
        rules=rules,
        presets=frozenset({"compute", "compute-tf"}),
        requires=frozenset({"cache", "database", "identity", "messaging"}),
        uses=frozenset(
            {
                "alarming",
                "block-storage",
                "compute",
                "dns",
                "image",
                "key-manager",
                "load-balancer",
                "metric",
                "networking",
                "notifications",
                "object-storage",
            }
        ),
        endpoints=(
            Endpoint(service="heat-api", port=8004, type="orchestration", path="/v1/%(project_id)s", public="heat"),
            Endpoint(service="heat-cfn", port=8000, type="cloudformation", path="/v1", public="cloudformation", name="cfn"),
        ),
        images={"heat": openstack_image("heat")},
        databases=(Database("heat"),),
        user=accounts.SERVICE,
        users=(accounts.TRUSTEE, accounts.DOMAIN_ADMIN),
        roles=(accounts.STACK_USER_ROLE,),
        conf=("heat",),
        schemas="stackloom_openstack",
        cleanup=Cleanup(schedule="1 5 * * 1", batch=10),
    )
