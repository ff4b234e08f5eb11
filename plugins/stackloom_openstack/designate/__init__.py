"""DNS: Designate, with PowerDNS."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Database, Endpoint, Image, Service, ServiceUser, hookimpl, openstack_image
from stackloom_openstack.designate.build import build
from stackloom_openstack.designate.features import DesignateFeatures
from stackloom_openstack.designate.powerdns import DATABASE, READER


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Designate."""
    yield Service(
        name="designate",
        type="dns",
        build=build,
        features=DesignateFeatures,
        presets=frozenset({"compute", "compute-tf"}),
        requires=frozenset({"cache", "coordination", "database", "identity", "messaging"}),
        uses=frozenset({"networking", "notifications"}),  # networking: whose the floating addresses are
        endpoints=(Endpoint(service="designate-api", port=9001, type="dns", public="designate"),),
        images={
            "designate": openstack_image("designate"),
            "powerdns": Image("docker.io/powerdns/pdns-auth-51", "5.1.4"),
        },
        # Neither has a group: that of Designate's is called storage:sqlalchemy, as no variable can be, and PowerDNS reads none.
        databases=(Database("designate", group=""), Database(DATABASE, group="", reader=READER)),
        # It validates tokens, and calls nobody: an administrator's rights would be too many.
        user=ServiceUser("designate", roles=("service",)),
        conf=("designate",),
        schemas="stackloom_openstack",
        programs="stackloom_openstack.designate.programs",
    )
