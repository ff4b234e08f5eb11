"""libvirt on compute nodes, and the servers that it runs: they outlive its Pod.

A server is a process of QEMU that libvirt starts and leaves alone. Nothing ties it to the Pod:

- The Pod has the node's processes (``hostPID``), so no process namespace ends with it.
- The container sees the node's control groups, in which libvirt gives each server a group of its own: a scope of machine.slice
  by the node's systemd-machined, or else one below /machine. The kubelet ends what is in the Pod's group, and no server is there.
- What QEMU and libvirt remember of each other lies on the node: /run/libvirt, /var/lib/libvirt, /etc/libvirt/qemu.
- The DaemonSet is OnDelete: when libvirt restarts is its operator's decision.

Who can talk to libvirt is root on its node, so its port is for those alone who show a certificate of a compute node. It must be
for the address by which they call each other, which is known on the node and nowhere else: so each node issues its own when
libvirt starts, with the authority's key. That key stays in an init container. Whoever takes it from a node could pass for
another; a certificate that all nodes share would give them no less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stackloom import Container, InterfaceAddress, Mount, NodeRole, Privilege, Probes, Resources, SecretFile, authority_keys
from stackloom_openstack.nova import ceph
from stackloom_openstack.nova.features import NovaFeatures
from stackloom_openstack.nova.nodes import on_nodes

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

SOCKET = "/run/libvirt/libvirt-sock"
ON_THIS_NODE = "application=libvirt,stackloom.io/agent=libvirt"
MIGRATION_AUTHORITY, CONSOLE_AUTHORITY = "libvirt-authority", "console-authority"
# The first is that of VNC; as many servers as a node can have follow.
CONSOLE_PORTS = range(5900, 5900 + 1024)
QEMU_USER = 42424
PKI = "/etc/pki"
MIGRATION, CONSOLE = f"{PKI}/qemu", f"{PKI}/console"
TRUSTED, CERTIFICATE, KEY = f"{PKI}/CA/cacert.pem", f"{PKI}/libvirt/clientcert.pem", f"{PKI}/libvirt/private/clientkey.pem"
Settings = Mapping[str, str | int | InterfaceAddress]

# In memory, so that no key is on the node's disk; not the Pod's, because servers that run read the files when they migrate.
_PKI = Mount.host("/run/stackloom/pki", at=PKI, kind="DirectoryOrCreate")
_STATE = (
    Mount.host("/run/libvirt", kind="DirectoryOrCreate"),
    Mount.host("/var/lib/libvirt", kind="DirectoryOrCreate"),
    Mount.host("/var/log/libvirt", kind="DirectoryOrCreate"),
    # nova-compute mounts shares below it.
    Mount.host("/var/lib/nova", kind="DirectoryOrCreate", propagation="HostToContainer"),
)
_MOUNTS = (
    *_STATE,
    Mount.host("/dev"),
    Mount.host("/sys/fs/cgroup"),
    Mount.host("/etc/libvirt/qemu", kind="DirectoryOrCreate"),
    Mount.host("/run/openvswitch", kind="DirectoryOrCreate"),
    # Who makes a server's scope, where the node has it.
    Mount.host("/run/dbus", kind="DirectoryOrCreate"),
    Mount.host("/run/systemd", kind="DirectoryOrCreate"),
    Mount.host("/run/udev", kind="DirectoryOrCreate", read_only=True),
    _PKI,
)
_SMALL = Resources(cpu="20m", memory="64Mi", memory_limit="256Mi")

# A namespace of control groups of its own would put servers into the Pod's group, to end with it. KVM has a group on
# the node; where it is root's alone, it becomes QEMU's.
_PREPARE = """\
if [ "$(cat /proc/self/cgroup)" = "0::/" ]; then
  echo "the container does not see the control groups of its node: servers would end with this Pod" >&2
  exit 1
fi
cp /etc/stackloom/qemu.conf /etc/libvirt/qemu.conf
if [ -e /dev/kvm ] && [ "$(stat -c %g /dev/kvm)" = 0 ]; then
  chown 0:{user} /dev/kvm
  chmod 660 /dev/kvm
fi
group=$(stat -c %g /dev/kvm 2>/dev/null || echo {user})
echo "group = \\"+$group\\"" >> /etc/libvirt/qemu.conf
"""
# The kernel takes processes of Pods first when memory is short. What libvirt starts inherits it, and would be taken before them.
_START = "echo 0 > /proc/self/oom_score_adj && exec libvirtd --listen --config {config} --pid-file /run/libvirt/libvirtd.pid"


def build(ctx: ServiceContext) -> None:
    """A DaemonSet for each kind of compute nodes."""
    features = ctx.features_as(NovaFeatures)
    ctx.credential(MIGRATION_AUTHORITY, authority_keys("compute nodes"))
    if features.console.novnc.tls.enabled:
        ctx.credential(CONSOLE_AUTHORITY, authority_keys("consoles"))
    for variant in ctx.variants(lambda v: differs(ctx, features, on_nodes(features, v))):
        here = on_nodes(features, variant)
        config = ctx.file("/etc/stackloom/libvirtd.conf", _written(libvirtd(here)), key=f"libvirtd{variant.suffix}.conf")
        ctx.agent(
            "libvirt",
            name="libvirt",
            variant=variant,
            role_of_nodes=NodeRole.COMPUTE,
            init=[*_certificates(ctx, here), *ceph.secret(ctx, here)],
            before=[["bash", "-ec", _PREPARE.format(user=QEMU_USER)]],
            command=["bash", "-c", _START.format(config=config.path)],
            config=[config, ctx.file("/etc/stackloom/qemu.conf", _written(qemu(here)))],
            writable=["/etc/libvirt", "/var/cache/libvirt"],
            mounts=_MOUNTS,
            sidecars=[_log_daemon(ctx)],
            probes=Probes(command=("virsh", "-c", f"qemu+unix:///system?socket={SOCKET}", "version"), timeout=10, period=30),
            privilege=Privilege(reason="runs servers, with the devices and control groups of the node", privileged=True),
            resources=Resources(memory="128Mi", memory_limit="2Gi"),
            host_network=True,
            host_pid=True,
            on_delete=True,
        )


def differs(ctx: ServiceContext, everywhere: NovaFeatures, here: NovaFeatures) -> bool:
    """Whether libvirt is another one where ``here`` holds."""
    interfaces = {features.live_migration_interface for features in (everywhere, here)}
    return len(interfaces) > 1 or ceph.is_used(ctx, everywhere) != ceph.is_used(ctx, here)


def libvirtd(features: NovaFeatures) -> Settings:
    """libvirtd.conf: other nodes by their certificates, at one address; this node's root by a socket, and readers by another."""
    return {
        "listen_tls": 1,
        "listen_tcp": 0,
        "listen_addr": InterfaceAddress(features.live_migration_interface),
        "ca_file": TRUSTED,
        "cert_file": CERTIFICATE,
        "key_file": KEY,
        "auth_unix_ro": "none",
        "auth_unix_rw": "none",  # there is no polkit to ask
        "unix_sock_ro_perms": "0777",
        "unix_sock_rw_perms": "0700",
        "log_outputs": "2:stderr",
    }


def qemu(features: NovaFeatures) -> Settings:
    """qemu.conf, but for the group, which is that of the node's /dev/kvm."""
    settings: dict[str, str | int | InterfaceAddress] = {
        "user": f"+{QEMU_USER}",
        # Profiles of AppArmor and SELinux would have to be the node's, and be loaded there.
        "security_driver": "none",
        "stdio_handler": "logd",
        "remote_display_port_min": CONSOLE_PORTS.start,
        "remote_display_port_max": CONSOLE_PORTS.stop - 1,
    }
    if features.libvirt.tls.enabled:
        settings |= {"migrate_tls_x509_cert_dir": MIGRATION, "migrate_tls_x509_verify": 1}
    if features.console.novnc.tls.enabled:
        settings |= {"vnc_tls": 1, "vnc_tls_x509_cert_dir": CONSOLE, "vnc_tls_x509_verify": 1}
    return settings


def _written(settings: Settings) -> str:
    """Settings as libvirt reads them."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in settings.items())


def _value(value: str | int | InterfaceAddress) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'


def _certificates(ctx: ServiceContext, features: NovaFeatures) -> list[Container]:
    """The init containers that issue the node's certificates: for other nodes, and for the proxies of consoles."""
    migration = [
        f"{MIGRATION}/{name}.pem" for name in ("ca-cert", "server-cert", "server-key", "ca-cert", "client-cert", "client-key")
    ]
    nodes = [TRUSTED, CERTIFICATE, KEY, *(migration if features.libvirt.tls.enabled else [])]
    made = [_certificate(ctx, features, "node-certificate", MIGRATION_AUTHORITY, nodes)]
    if features.console.novnc.tls.enabled:
        console = [f"{CONSOLE}/{name}.pem" for name in ("ca-cert", "server-cert", "server-key")]
        made.append(_certificate(ctx, features, "console-certificate", CONSOLE_AUTHORITY, console))
    return made


def _certificate(ctx: ServiceContext, features: NovaFeatures, name: str, authority: str, files: list[str]) -> Container:
    directory = "/etc/stackloom/authority"
    program = "/opt/stackloom/programs/node_certificate.py"
    return Container(
        name=name,
        image=ctx.image("toolbox"),
        command=["python3", program, directory, features.live_migration_interface, str(QEMU_USER), *files],
        files=[
            *ctx.program("node_certificate.py"),
            *(SecretFile(f"{directory}/{key}", authority, key) for key in ("ca.crt", "ca.key")),
        ],
        mounts=[_PKI],
        resources=_SMALL.body(),
        privilege=Privilege(
            reason="gives the node's keys to those who use them", user=0, capabilities=("CHOWN", "DAC_OVERRIDE", "FOWNER")
        ),
    )


def _log_daemon(ctx: ServiceContext) -> Container:
    """virtlogd, which takes what servers print, and never lets a log grow without end."""
    return Container(
        name="virtlogd",
        image=ctx.image("libvirt"),
        command=["virtlogd", "--pid-file", "/run/libvirt/virtlogd.pid"],
        mounts=_STATE,
        resources=ctx.resources("virtlogd", _SMALL.body()),
        probes=Probes(command=("test", "-S", "/run/libvirt/virtlogd-sock")),
        privilege=Privilege(reason="writes the logs of servers, which have other owners", user=0, capabilities=("DAC_OVERRIDE",)),
    )
