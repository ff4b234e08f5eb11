"""cinder-volume on nodes that keep volumes themselves, in volume groups of LVM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stackloom import Container, Mount, PodField, Privilege, Probes, Resources
from stackloom_openstack.cinder.attaching import attaching
from stackloom_openstack.cinder.conf import GRACE_SECONDS, MAIN, STATE, WORKING, ceph_files, main_env, main_files
from stackloom_openstack.cinder.features import NodeBackend

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.constructs.variants import Variant
    from stackloom.manifests.files import ConfigFile

# What LVM and the targets of the kernel are to the node, they are to the container.
_LVM = (Mount.host("/run/lvm", kind="DirectoryOrCreate"), Mount.host("/etc/lvm", kind="DirectoryOrCreate"))
_KERNEL = (Mount.host("/etc/target", kind="DirectoryOrCreate"), Mount.host("/sys/kernel/config", kind="Directory"))
REASON = "cinder-volume makes logical volumes in the node's volume group and offers them over iSCSI"
# The directory in which cinder-volume writes what it asks of tgtd, and that of tgtd's socket.
TARGETS, TGT = f"{STATE}/volumes", "/var/run/tgtd"


def run(ctx: ServiceContext, variant: Variant, backends: Mapping[str, NodeBackend], *, after: Sequence[Part]) -> None:
    """Volume groups of nodes with a label, each node under its own name. Volumes move to no other node by themselves.

    What manages volumes writes to the database, on these nodes too.
    """
    main = main_files(ctx, variant)
    overlay = ctx.oslo_overlay(
        "cinder.conf",
        f"volume{variant.suffix}",
        {"DEFAULT": {"enabled_backends": list(backends)}, **{name: volume_group(name, own) for name, own in backends.items()}},
        given={name: own.lvm.model_extra or {} for name, own in backends.items()},
        at={name: f"spec.nodes.{variant.label}.features.cinder.volume.backends.{name}.lvm" for name in backends},
    )
    by_tgt = [(own.lvm.model_extra or {}).get("target_helper") == "tgtadm" for own in backends.values()]
    ctx.agent(
        "volume",
        variant=variant,
        role_of_nodes={},
        command=["cinder-volume", "--config-file", MAIN, "--config-file", overlay.path],
        config=[*main, *ceph_files(ctx), overlay, *(tgt_files(ctx) if any(by_tgt) else ())],
        env={
            **main_env(ctx),
            **ctx.database_env(),
            "OS_DEFAULT__HOST": PodField("spec.nodeName"),
            "OS_DEFAULT__MY_IP": PodField("status.hostIP"),
        },
        writable=[STATE, TGT] if any(by_tgt) else [STATE],
        resources=WORKING,
        grace_seconds=GRACE_SECONDS,
        needs=sorted(ctx.service.requires),
        after=after,
        host_ipc=True,  # LVM and the node's udev tell each other by semaphores
        **attaching(REASON, _LVM if all(by_tgt) else (*_LVM, *_KERNEL)),
        sidecars=[tgt(ctx)] if any(by_tgt) else [],
    )


def volume_group(name: str, own: NodeBackend) -> dict[str, Any]:
    """A backend in a volume group. Targets are the kernel's own, which outlive the Pod; those of tgt would end with it."""
    return {
        "volume_driver": "cinder.volume.drivers.lvm.LVMVolumeDriver",
        "volume_backend_name": name,
        "volume_group": own.lvm.volume_group,
        "target_helper": "lioadm",
        "target_protocol": "iscsi",
    }


def tgt_files(ctx: ServiceContext) -> tuple[ConfigFile]:
    """Where tgt-admin finds the targets that cinder-volume describes."""
    return (ctx.file("/etc/tgt/targets.conf", f"default-driver iscsi\ninclude {TARGETS}/*\n"),)


def tgt(ctx: ServiceContext) -> Container:
    """tgtd, beside who asks for it. A restart of the Pod interrupts those who use its targets until they are there again."""
    shown = ("tgtadm", "--lld", "iscsi", "--mode", "sys", "--op", "show")
    return Container(
        name="tgtd",
        image=ctx.image("cinder"),
        command=["tgtd", "--foreground"],
        writable=[TGT],
        mounts=[Mount.host("/dev")],
        privilege=Privilege(reason=REASON, privileged=True),
        probes=Probes(command=shown),
        resources=ctx.resources("tgt", Resources(memory="64Mi", memory_limit="512Mi").body()),
    )
