"""What a Pod needs that reads and writes volumes: a little as long as they are in Ceph, its node's devices if they are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from stackloom import BLOCK_STORAGE, Mount, Privilege
from stackloom_openstack.cinder.conf import nodes_with_volumes
from stackloom_openstack.cinder.features import CinderFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


class Access(TypedDict, total=False):
    """What a Pod may do beyond an ordinary one."""

    privilege: Privilege
    mounts: Sequence[Mount]
    host_network: bool


# Images are examined, and storages are told what this node is to them, by helpers that keep just these of root's rights: they do
# not start where one is missing.
AS_ROOT = Privilege(
    reason="the privileged helpers of Cinder and os-brick examine images, and say what this node is to storages",
    user=0,
    capabilities=("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "NET_ADMIN", "SYS_ADMIN"),
)


def only_ceph(ctx: ServiceContext) -> bool:
    """Whether no volume is kept anywhere but in Ceph, which is read and written without attaching anything."""
    backends = ctx.features_as(CinderFeatures).volume.backends.values()
    return not any(backend.enabled for backend in backends) and not any(nodes_with_volumes(ctx.deployment))


def attaching(reason: str, more: Sequence[Mount] = ()) -> Access:
    """Of a Pod that is its node's equal in all that concerns block devices: iSCSI's sessions belong to its network, too."""
    return {"privilege": Privilege(reason=reason, privileged=True), "mounts": [*BLOCK_STORAGE, *more], "host_network": True}
