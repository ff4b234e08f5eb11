"""The object store: Ceph's gateway, entered in the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Service, hookimpl
from stackloom_openstack.ceph_rgw.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Ceph's gateway."""
    yield Service(
        name="ceph-rgw",
        type="object-storage",
        rules=rules,
        requires=frozenset({"identity"}),
    )
