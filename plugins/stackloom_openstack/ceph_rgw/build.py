"""The object store's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom_openstack.ceph_rgw import forwarding, gateway
from stackloom_openstack.ceph_rgw.features import CephRgwFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


def build(ctx: ServiceContext) -> None:
    """The catalogue, and gateways: own ones, or the way to those that run already."""
    features = ctx.features_as(CephRgwFeatures)
    registered = ctx.register_in_catalogue()
    existing = features.existing or (forwarding.of_rook(ctx, features.rook) if features.rook else None)
    if existing:
        forwarding.run(ctx, existing, after=registered)
    else:
        gateway.run(ctx, features.options, after=registered)
