"""Compute: Nova, and libvirt on compute nodes."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, ConfFile, Database, Endpoint, SectionsLike, Service, ServiceUser, hookimpl, openstack_image
from stackloom_openstack.nova import libvirt
from stackloom_openstack.nova.build import build
from stackloom_openstack.nova.features import NovaFeatures, NovaNodeFeatures
from stackloom_openstack.nova.hypervisor import HELPERS
from stackloom_openstack.nova.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Nova and libvirt."""
    yield Service(
        name="nova",
        log_level="DEBUG",  # the default of the CR's presets
        type="compute",
        build=build,
        features=NovaFeatures,
        node_features=NovaNodeFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"cache", "database", "identity", "image", "messaging", "networking", "placement"}),
        uses=frozenset({"block-storage", "ceph", "key-manager", "notifications"}),
        endpoints=(
            Endpoint(service="nova-api", port=8774, type="compute", path="/v2.1", public="nova"),
            Endpoint(service="nova-metadata", port=8775, name="metadata"),
            Endpoint(service="nova-novncproxy", port=6080, public="novncproxy", name="novnc"),
            Endpoint(service="nova-spiceproxy", port=6082, public="spiceproxy", name="spice"),
        ),
        images={"nova": openstack_image("nova")},
        # cell0 keeps the servers that no node took. Nova finds its database in the cell's mapping, with the user of the others'.
        databases=(Database("nova_api", group="api_database"), Database("nova"), Database("nova_cell0", user_of="nova")),
        user=ServiceUser("nova"),
        conf=(ConfFile("nova", sections=(SectionsLike(like="privsep", names=HELPERS),)),),
        schemas="stackloom_openstack",
        cleanup=Cleanup(schedule="1 1 * * 1", batch=1000),
    )
    yield Service(
        name="libvirt",
        type="compute",
        build=libvirt.build,
        features=NovaFeatures,
        features_key="nova",
        node_features=NovaNodeFeatures,
        presets=frozenset({"compute", "compute-tf", "core"}),
        uses=frozenset({"ceph"}),
        images={"libvirt": openstack_image("libvirt")},
    )
