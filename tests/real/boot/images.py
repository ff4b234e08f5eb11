"""What stands in for each image: programs of this machine, with the users that the image has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

from tests.real.boot.substitutions import repository
from tests.real.cluster import Object
from tests.real.openstack import environment

DEBIAN = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
PYTHON_PACKAGES = "/opt/packages"


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
    openstack = Image(path=(f"{venv}/bin", *DEBIAN), users={"keystone": 42424}, trees=_trees(venv))
    return {
        "keystone": openstack,
        "openstack-client": openstack,  # the toolbox: Keystone stands on all that it needs, and the client is there
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
    }


def _trees(venv: Path) -> dict[str, Path]:
    """An environment, and the Python that it was made from."""
    python = (venv / "bin" / "python").resolve()
    found = [venv, python.parents[1]]
    return {str(tree): tree for tree in found}


def lacking_programs() -> list[str]:
    """What no container could be started without."""
    path = os.pathsep.join(DEBIAN)
    programs = (
        "mariadbd",
        "mariadb-install-db",
        "memcached",
        "rabbitmqctl",
        "python3",
        "unshare",
        "nsenter",
        "setpriv",
        "chroot",
    )
    return [program for program in programs if not shutil.which(program, path=path)]
