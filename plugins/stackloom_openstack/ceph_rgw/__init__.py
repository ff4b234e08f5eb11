"""The object store: Ceph's gateway, with Swift's API and S3's."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Endpoint, Image, Service, ServiceUser, hookimpl
from stackloom_openstack.ceph_rgw.build import build
from stackloom_openstack.ceph_rgw.features import CephRgwFeatures
from stackloom_openstack.ceph_rgw.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Ceph's gateway."""
    yield Service(
        name="ceph-rgw",
        type="object-storage",
        build=build,
        features=CephRgwFeatures,
        features_key="ceph_rgw",
        rules=rules,
        requires=frozenset({"identity"}),
        uses=frozenset({"ceph"}),
        endpoints=(
            Endpoint(
                service="ceph-rgw", port=8080, type="object-store", path="/swift/v1/AUTH_%(project_id)s", public="object-store"
            ),
        ),
        images={"ceph-rgw": Image("quay.io/ceph/ceph", "v19.2.3")},
        # It asks Keystone whose a token or a signature is: an administrator's rights would be too many.
        user=ServiceUser("ceph-rgw", roles=("service",)),
    )
