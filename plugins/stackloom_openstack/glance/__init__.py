"""Images: Glance."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, ConfFile, Database, Endpoint, SectionsLike, Service, ServiceUser, hookimpl, openstack_image
from stackloom_openstack.glance.build import build
from stackloom_openstack.glance.features import GlanceFeatures
from stackloom_openstack.glance.rules import rules
from stackloom_openstack.glance.stores import RESERVED

STORES = (
    SectionsLike("DEFAULT.enabled_backends", like="glance_store"),
    # Where Glance itself keeps what is not an image yet.
    SectionsLike(like="glance_store", names=RESERVED),
)


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Glance."""
    yield Service(
        name="glance",
        type="image",
        build=build,
        features=GlanceFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"cache", "database", "identity"}),
        uses=frozenset({"block-storage", "ceph", "key-manager", "notifications"}),
        endpoints=(Endpoint(service="glance-api", port=9292, type="image", public="glance"),),
        images={"glance": openstack_image("glance")},
        databases=(Database("glance"),),
        user=ServiceUser("glance"),
        conf=(ConfFile("glance-api", sections=STORES),),
        schemas="stackloom_openstack",
        cleanup=Cleanup(schedule="1 2 * * 1", batch=-1),
    )
