"""All that differs from a cluster, each with its reason. What is not in this table is as the manifests say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.real.cluster import Object


@dataclass(frozen=True, slots=True)
class Substitution:
    """What stands in for something, and why."""

    what: str
    by: str
    reason: str


SUBSTITUTIONS = (
    Substitution("images", "environments of this machine", "there is no container engine; see images.py for each"),
    Substitution("replicas", "1", "two cores: one of each shows that it works"),
    Substitution(
        "period of a probe", "at most 1 s until it passes, then its own", "a test waits for results, not for their turn"
    ),
    Substitution("virtual addresses of Services", "the address of a ready Pod", "there is no proxy, and one Pod behind each"),
    Substitution("cluster DNS", "/etc/hosts, rewritten as Pods become ready", "needs no server, and answers the same names"),
    Substitution("NFS servers", "a directory for each share", "a kernel need not have the client"),
    Substitution("limits, seccomp, network policies", "none", "the kernel's doing, not the programs'"),
)

# By the label `application` of a workload: why it is not started.
NOT_RUN: Mapping[str, str] = {
    "image-cache": "only pulls images, and there is no container engine",
    "local-volume-provisioner": "mounts directories of its node, with privileges; claims are directories here",
}

# By the last part of an image's name: why there is no such program here. Its containers are not started.
NO_PROGRAM: Mapping[str, str] = {
    "memcached-exporter": "a Go program that no package of this machine has; it serves figures only",
    "mysqld-exporter": "a Go program that no package of this machine has; it serves figures only",
}


def repository(container: Object) -> str:
    """The last part of the name of a container's image."""
    return str(container["image"]).rpartition("/")[2].partition("@")[0].partition(":")[0]


def not_run(workload: Object) -> str:
    """Why a workload is not started at all, or ""."""
    containers = workload["spec"]["template"]["spec"]["containers"]
    if reason := NOT_RUN.get(workload["metadata"]["labels"]["application"]):
        return reason
    return NO_PROGRAM.get(repository(containers[0]), "") if len(containers) == 1 else ""
