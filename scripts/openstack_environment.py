#!/usr/bin/env python3
"""Make the environment of a release's OpenStack services, once per lock, in the cache: ``openstack_environment.py gazpacho``.

Programs and manifests are tested against it, and what the services can be told is read there. The last line of the output is its
directory. Compiled files are made with it: containers may not write there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"


def directory(release: str) -> Path:
    """Where the environment is, or will be once made: a place of this lock's own in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = sha256(_lock(release).read_bytes()).hexdigest()
    return cache / "stackloom" / f"openstack-{release}-{digest[:12]}"


def is_made(release: str) -> bool:
    """Whether the environment is there."""
    return (directory(release) / ".ready").exists()


def make(release: str) -> Path:
    """The environment, made if it is not in the cache. CalledProcessError when it cannot be."""
    place, uv = directory(release), Path(sys.executable).with_name("uv")
    if not is_made(release):
        constraints = place / "build-constraints.txt"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, place], check=True)
        constraints.write_text("setuptools<81\n")  # what some packages are still built with
        python = place / "bin" / "python"
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, "--build-constraint", constraints]
        subprocess.run([*map(str, install), "--require-hashes", "-r", str(_lock(release))], check=True)
        (place / ".ready").touch()
    return place


def _lock(release: str) -> Path:
    return REQUIREMENTS / f"openstack-{release}.lock"


if __name__ == "__main__":
    try:
        print(make(*sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"the environment could not be made: {error}")
