"""Volumes on the disks of the control-plane nodes, for what replicates its data itself: the databases, the buses, etcd.

The operator mounts disks below a directory; the static provisioner of SIG Storage offers each mount as a PersistentVolume. It
only looks: it mounts nothing, and erases nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import AfterValidator

from stackloom.fields import SpecModel, refuse
from stackloom.manifests import cluster
from stackloom.manifests.mounts import Mount
from stackloom.manifests.pod import PodField, Privilege, Probe, Probes, Resources
from stackloom.model.image import Image
from stackloom.model.placement import NodeRole
from stackloom.model.service import Service

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

_METRICS_PORT = 8080

# All that the provisioner asks for. It does not delete volumes: the StorageClass retains them.
_RULES = (
    {"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["list", "watch", "create"]},
    {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
)


def _own_directory(value: str) -> str:
    if re.fullmatch(r"(/[-._a-zA-Z0-9]+)+", value) is None or {".", ".."} & set(value.split("/")):
        refuse(f"{value!r} is not a directory of its own", "Write it whole and plainly, like /mnt/local-volumes")
    return value


class LocalVolumes(SpecModel):
    """Volumes on the disks of the control-plane nodes."""

    enabled: bool = True
    """Offer what is mounted below the directory as volumes of ``local_volume_storage_class``. False: that class is not ours."""
    directory: Annotated[str, AfterValidator(_own_directory)] = "/mnt/local-volumes"
    """The directory of the nodes below which each mount becomes a volume."""


def build(ctx: ServiceContext) -> None:
    """Add the provisioner, what it may do, and the StorageClass of its volumes; nothing where they are somebody else's."""
    features = ctx.features_as(LocalVolumes)
    if not features.enabled:
        return
    storage_class = ctx.deployment.spec.local_volume_storage_class
    classes = {storage_class: {"hostDir": features.directory, "mountDir": features.directory, "volumeMode": "Filesystem"}}
    directory = "/etc/provisioner/config"
    config = [
        ctx.file(f"{directory}/storageClassMap", yaml.safe_dump(classes, sort_keys=False)),
        # Volumes are known by the node's name: a node that is installed anew under its old name keeps them.
        ctx.file(f"{directory}/useNodeNameOnly", "true\n"),
    ]
    who = ctx.identity(ctx.name, "provisioner")
    ctx.component.add(cluster.cluster_role(who, _RULES))
    ctx.component.add(cluster.cluster_role_binding(who, ctx.name))
    ctx.component.add(
        cluster.storage_class(
            who,
            storage_class,
            provisioner="kubernetes.io/no-provisioner",
            # A claim that is deleted by mistake, or with its namespace, must not take a database with it.
            reclaim="Retain",
            # The volume is chosen when the Pod's node is, so that the Pod can follow it there.
            binding="WaitForFirstConsumer",
        )
    )
    ctx.agent(
        "provisioner",
        name=ctx.name,
        role_of_nodes=NodeRole.CONTROL_PLANE,
        command=["/local-provisioner"],
        config=config,
        env={"MY_NODE_NAME": PodField("spec.nodeName"), "MY_NAMESPACE": PodField("metadata.namespace")},
        ports={"metrics": _METRICS_PORT},
        # Not ready where a directory is no mount or a volume cannot be made; that is for the operator to mend, not for a restart.
        probes=Probes(path="/ready", port="metrics", startup_seconds=0, alive=Probe(path="/metrics", port="metrics")),
        privilege=Privilege(
            reason="looks at mounts that belong to any user, and sees what is mounted on the node later",
            user=0,
            capabilities=("DAC_READ_SEARCH",),
        ),
        resources=Resources(cpu="10m", memory="64Mi", memory_limit="256Mi"),
        mounts=[Mount.host(features.directory, kind="DirectoryOrCreate", propagation="HostToContainer", read_only=True)],
        account=ctx.name,
        grace_seconds=10,
    )


STORAGE = Service(
    name="local-volume-provisioner",
    type="storage",
    backs="storage",
    build=build,
    features=LocalVolumes,
    features_key="local_volumes",
    images={"local-volume-provisioner": Image("registry.k8s.io/sig-storage/local-volume-provisioner", "v2.9.0")},
    metrics_port=_METRICS_PORT,
)
