"""What stands in for each image: programs of this machine, with the users that the image has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pymysql

from scripts.build_control_plane import assets_directory
from tests.real.boot.substitutions import repository
from tests.real.cluster import Object
from tests.real.openstack import environment
from tests.real.traefik import require_traefik

DEBIAN = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
PYTHON_PACKAGES = "/opt/packages"
VIRTUAL_ENVIRONMENT = "/var/lib/openstack"  # where the published images have the services
POWERDNS_SCHEMA = "/usr/local/share/doc/pdns/schema.mysql.sql"  # where the published image has it
OPENSTACK_UID = 42424
PROJECTS = (
    "aodh",
    "barbican",
    "ceilometer",
    "cinder",
    "designate",
    "glance",
    "gnocchi",
    "heat",
    "horizon",
    "keystone",
    "masakari",
    "neutron",
    "nova",
    "octavia",
    "placement",
    "tempest",
)

# What containers run that is not from PyPI or built here, and the package of Debian that has it.
PROGRAMS = {
    "ceph": "ceph-common",
    "chroot": "coreutils",
    "dnsmasq": "dnsmasq-base",
    "haproxy": "haproxy",
    "keepalived": "keepalived",
    "libvirtd": "libvirt-daemon",
    "mariadb-install-db": "mariadb-server",
    "mariadbd": "mariadb-server",
    "memcached": "memcached",
    "nsenter": "util-linux",
    "pdns_server": "pdns-server",
    "ovs-vswitchd": "openvswitch-switch",
    "python3": "python3",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "rabbitmqctl": "rabbitmq-server",
    "radosgw": "radosgw",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "virsh": "libvirt-clients",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An environment: where programs are looked for, its variables, its users with their ids.

    ``trees`` are mounted from elsewhere (target: source); a tree that stays where it is, is made readable for the image's users.
    """

    path: tuple[str, ...] = DEBIAN
    environment: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, int] = field(default_factory=dict)
    trees: Mapping[str, Path] = field(default_factory=dict)


def image_of(container: Object, images: Mapping[str, Image]) -> Image:
    """What stands in for a container's image. LookupError where nobody has said."""
    name = repository(container)
    if name not in images:
        raise LookupError(f"nothing stands in for the image {container['image']}: say in tests/real/boot/images.py what does")
    return images[name]


def local_images() -> dict[str, Image]:
    """The images, by the last part of their names. The test ends here where something is not installed."""
    venv = environment()
    trees = {**_trees(venv), VIRTUAL_ENVIRONMENT: venv, "/usr/sbin/mount.nfs": Path(__file__).parent / "mount.nfs"}
    openstack = Image(path=(f"{VIRTUAL_ENVIRONMENT}/bin", *DEBIAN), users=dict.fromkeys(PROJECTS, OPENSTACK_UID), trees=trees)
    traefik = require_traefik()
    etcd = assets_directory()
    return {
        **dict.fromkeys(PROJECTS, openstack),
        # Those of Kolla, which has an image for each program of a project.
        **dict.fromkeys(("aodh-api", "gnocchi-api"), openstack),
        "ceilometer-compute": replace(
            openstack, environment={"PYTHONPATH": PYTHON_PACKAGES}, trees={**trees, **_libvirt_for_python()}
        ),
        "openstack-client": openstack,  # the toolbox: the client and its libraries are there
        "python": Image(users={}),  # Debian's Python has, like the image's, the standard library alone
        "mariadb": Image(
            users={"mysql": 999},
            environment={"PYTHONPATH": PYTHON_PACKAGES},
            trees={f"{PYTHON_PACKAGES}/pymysql": Path(pymysql.__file__).parent},
        ),
        "memcached": Image(users={"memcache": 11211}),
        "rabbitmq": Image(
            path=("/usr/lib/rabbitmq/bin", *DEBIAN),
            users={"rabbitmq": 999},
            environment={"LANG": "C.UTF-8", "RUNNING_UNDER_SYSTEMD": "true"},  # Debian's start script would change its user
        ),
        "ceph": Image(users={"ceph": 167}),
        "ceph-config-helper": Image(),
        "haproxy": Image(),
        "libvirt": Image(users={"nova": OPENSTACK_UID, "libvirt-qemu": 64055}),
        "openvswitch": Image(),
        "pdns-auth-51": Image(trees={POWERDNS_SCHEMA: Path("/usr/share/pdns-backend-mysql/schema/schema.mysql.sql")}),
        "traefik": Image(path=(str(traefik),), trees={str(traefik): traefik}),
        "etcd": Image(path=(str(etcd), *DEBIAN), trees={str(etcd): etcd}),
    }


def _trees(venv: Path) -> dict[str, Path]:
    """An environment, and the Python that it was made from."""
    python = (venv / "bin" / "python").resolve()
    found = [venv, python.parents[1]]
    return {str(tree): tree for tree in found}


def _libvirt_for_python() -> dict[str, Path]:
    """Debian's: what PyPI has must be compiled."""
    return {f"{PYTHON_PACKAGES}/{path.name}": path for path in Path("/usr/lib/python3/dist-packages").glob("libvirt*.[ps]*")}


def lacking_packages() -> list[str]:
    """Debian's packages with programs that no container could be started without."""
    path = os.pathsep.join(DEBIAN)
    return sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)})
