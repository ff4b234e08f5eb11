"""Block storage: Cinder."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, ConfFile, Database, Endpoint, SectionsLike, Service, ServiceUser, hookimpl, openstack_image
from stackloom_openstack.cinder.build import build
from stackloom_openstack.cinder.conf import PRIVSEP
from stackloom_openstack.cinder.features import CinderFeatures, CinderNodeFeatures
from stackloom_openstack.cinder.rules import rules

BACKENDS = SectionsLike("DEFAULT.enabled_backends", like="backend_defaults")
# Its own part of oslo.privsep and os-brick's have sections that neither declares.
PRIVILEGED = SectionsLike(like="privsep", names=PRIVSEP)


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Cinder."""
    yield Service(
        name="cinder",
        log_level="DEBUG",  # the default of the CR's presets
        type="block-storage",
        build=build,
        features=CinderFeatures,
        node_features=CinderNodeFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf"}),
        requires=frozenset({"cache", "coordination", "database", "identity", "messaging"}),
        uses=frozenset({"ceph", "compute", "image", "key-manager", "notifications"}),
        # Nova, Glance and Heat look for this type by themselves; clients that look for block-storage know that it means the same.
        endpoints=(Endpoint(service="cinder-api", port=8776, type="volumev3", path="/v3", public="cinder"),),
        images={"cinder": openstack_image("cinder")},
        databases=(Database("cinder"),),
        user=ServiceUser("cinder"),
        conf=(ConfFile("cinder", sections=(BACKENDS, PRIVILEGED)),),
        schemas="stackloom_openstack",
        cleanup=Cleanup(schedule="1 0 * * 1"),
    )
