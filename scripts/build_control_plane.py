#!/usr/bin/env python3
"""Build the Kubernetes control plane that the tests run against, once per version, into a cache.

The programs come from the Go modules that tests/real/control_plane/go.mod pins; go.sum vouches for every byte. The last line of
the output is the directory that holds them, so that ``KUBEBUILDER_ASSETS`` can be set from it. With ``KUBEBUILDER_ASSETS`` set
already, nothing is built: the programs there are used. A cold build of etcd and kube-apiserver takes some six minutes on two
cores, 2.5 GB of memory and 4 GB of disk for Go's own caches.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

MODULE = Path(__file__).resolve().parents[1] / "tests" / "real" / "control_plane"

PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
NEEDED = ("etcd", "kube-apiserver")


class BuildError(Exception):
    """The programs cannot be had; the message says why and what would help."""


def kubernetes_version() -> str:
    """The release that go.mod pins, as Kubernetes writes it: ``v1.37.2``."""
    pinned = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if pinned is None:
        raise BuildError(f"{MODULE / 'go.mod'} requires no k8s.io/kubernetes")
    return pinned[1]


def assets_directory() -> Path:
    """Where the programs are, or will be once built: ``KUBEBUILDER_ASSETS``, or a place of this version's own in the cache."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return Path(assets)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    modules = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes())
    return cache / "stackloom" / "control-plane" / f"{kubernetes_version()}-{modules.hexdigest()[:8]}"


def missing(directory: Path, programs: tuple[str, ...] = NEEDED) -> list[str]:
    """Those of the programs that are not in the directory."""
    return [program for program in programs if not os.access(directory / program, os.X_OK)]


def build(programs: tuple[str, ...] = NEEDED) -> Path:
    """The directory with the programs, those built that were not there yet. BuildError where that cannot be done."""
    directory = assets_directory()
    absent = missing(directory, programs)
    if not absent:
        print(f"{', '.join(programs)}: found in {directory}", file=sys.stderr)
    elif "KUBEBUILDER_ASSETS" in os.environ:
        raise BuildError(f"KUBEBUILDER_ASSETS is {directory}, which holds no {', '.join(absent)}: unset it to have them built")
    elif shutil.which("go") is None:
        raise BuildError("the control plane is built with Go, which is not on the PATH: install it or set KUBEBUILDER_ASSETS")
    for program in absent:
        _build(program, directory)
    return directory


def _build(program: str, directory: Path) -> None:
    """Compile one program beside its place and move it there when it is whole."""
    version = kubernetes_version()
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = [f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items()]
    directory.mkdir(parents=True, exist_ok=True)
    unfinished = directory / f".{program}.{os.getpid()}"
    command = ["go", "build", "-trimpath", "-ldflags", " ".join(["-s", "-w", *flags]), "-o", str(unfinished), PACKAGES[program]]
    print(f"{program}: building {PACKAGES[program]} (Kubernetes {version}), a few minutes when cold", file=sys.stderr, flush=True)
    begun = time.monotonic()
    try:
        subprocess.run(command, cwd=MODULE, env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}, check=True)
        size = unfinished.stat().st_size / 1e6
        unfinished.replace(directory / program)
    except subprocess.CalledProcessError as failure:
        raise BuildError(f"{program}: go build failed with status {failure.returncode}, for the reason above") from failure
    finally:
        unfinished.unlink(missing_ok=True)
    print(f"{program}: {size:.0f} MB in {time.monotonic() - begun:.0f} s", file=sys.stderr)


def main() -> None:
    """Parse the command line, build, and say where the programs are."""
    parser = argparse.ArgumentParser(description="Build the control plane that the tests run against.")
    optional = [program for program in PACKAGES if program not in NEEDED]
    parser.add_argument("--with", dest="extra", action="append", choices=optional, default=[], help="build this program too")
    extra = parser.parse_args().extra
    os.nice(10)  # nobody waits for the build at a keyboard, and the compiler would take every core
    try:
        print(build((*NEEDED, *extra)))
    except BuildError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
