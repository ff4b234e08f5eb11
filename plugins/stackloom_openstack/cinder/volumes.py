"""cinder-volume: one for Ceph, one for each backend beside it, one on each node that keeps volumes itself.

A volume belongs for life to the name of the service that made it. So every name here survives the Pod: that of a StatefulSet's
Pod, or of a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stackloom import BySize, NodeRole, PodField
from stackloom_openstack.cinder import node_volumes
from stackloom_openstack.cinder.attaching import AS_ROOT, Access, attaching, only_ceph
from stackloom_openstack.cinder.conf import GRACE_SECONDS, IMAGE, MAIN, STATE, WORKING, ceph_files, main_env, main_files
from stackloom_openstack.cinder.features import CinderFeatures, CinderNodeFeatures, VolumeBackend

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.manifests.pod import Env

POD_NAME = PodField("metadata.name")
COPIES = "cinder-volume attaches volumes of its storage to this node, to copy images and other volumes into them and out of them"


def run(ctx: ServiceContext, *, after: Sequence[Part]) -> list[Part]:
    """Every cinder-volume of the cloud; those that others can wait for."""
    features = ctx.features_as(CinderFeatures)
    running = [in_ceph(ctx, after)] if features.volume.enabled else []
    running += [beside_ceph(ctx, name, backend, after) for name, backend in features.volume.backends.items() if backend.enabled]
    for variant in ctx.variants():
        if isinstance(variant.features, CinderNodeFeatures):
            node_volumes.run(ctx, variant, variant.features.volume.backends, after=after)
    return running


def in_ceph(ctx: ServiceContext, after: Sequence[Part]) -> Part:
    """Ceph: every Pod of the cluster works on every volume, and takes over what another has left."""
    access: Access = {"privilege": AS_ROOT} if only_ceph(ctx) else attaching(COPIES)
    return ctx.stateful(
        "volume",
        command=["cinder-volume", "--config-file", MAIN],
        config=[*main_files(ctx), *ceph_files(ctx)],
        env={**main_env(ctx), "OS_DEFAULT__HOST": POD_NAME, "OS_DEFAULT__CLUSTER": "ceph"},
        replicas=BySize(tiny=3, small=3, medium=6),
        writable=[STATE],
        resources=WORKING,
        grace_seconds=GRACE_SECONDS,
        after=after,
        **access,
    )


def beside_ceph(ctx: ServiceContext, name: str, backend: VolumeBackend, after: Sequence[Part]) -> Part:
    """A backend as the operator configures it, on Pods that may attach and mount what its driver wants."""
    pod, labels = backend.values.pod, backend.values.labels
    given = backend.values.conf.cinder
    replicas = pod.replicas.volume if pod.replicas else 1
    path = f"spec.features.cinder.volume.backends.{name}.values.conf.cinder"
    overlay = ctx.oslo_overlay(
        "cinder.conf",
        f"volume-{name}",
        # Several Pods share the volumes only as a cluster. A driver that cannot do that refuses to start.
        {"DEFAULT": {"cluster": name}} if replicas > 1 else {},
        given=given,
        at={group: f"{path}.{group}" for group in given},
    )
    host: Env = {} if "host" in given.get("DEFAULT", {}) else {"OS_DEFAULT__HOST": POD_NAME}
    asked = pod.resources.volume.model_dump(exclude_none=True, exclude_unset=True) if pod.resources else {}
    return ctx.stateful(
        f"volume-{name}",
        command=["cinder-volume", "--config-file", MAIN, "--config-file", overlay.path],
        config=[*main_files(ctx), *ceph_files(ctx), overlay],
        image=backend.values.images.tags.get(IMAGE, ""),
        env={**main_env(ctx), **host},
        replicas=replicas,
        nodes={labels.volume.node_selector_key: labels.volume.node_selector_value} if labels else NodeRole.CONTROL_PLANE,
        writable=[STATE],
        resources=replace(WORKING, over=asked),
        grace_seconds=GRACE_SECONDS,
        after=after,
        **attaching(COPIES),
    )
