"""Have Cinder forget services that are gone: those that are down and that no Pod of this cloud is.

Cinder keeps a row for each name under which a service ever ran, and speaks to all of a kind as the oldest of them understands:
one that is gone would hold the others back for ever. A service is called as its Pod, or as its node where there is one on each.
While either exists, even if it does not answer, the service stays.

Needs cinder-manage with its database, the account of OS_USERNAME, VOLUME_URL, and a Role that may list Pods.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from kube import PODS, Kube, Object, Unavailable
from program import Failure, patiently, run, say
from volumes import Entity, Volumes

LABELS = "application=cinder"
PATIENCE_SECONDS = 120


def names_of(pods: Iterable[Object]) -> set[str]:
    """The names under which services of these Pods may run."""
    return {name for pod in pods for name in (pod["metadata"]["name"], (pod.get("spec") or {}).get("nodeName")) if name}


def gone(services: Iterable[Entity], names: set[str]) -> list[tuple[str, str]]:
    """Program and host of the services that are down and have none of the ``names``; a host may have ``@`` and a backend."""
    down = [(each["binary"], each["host"]) for each in services if each["state"] == "down"]
    return [(binary, host) for binary, host in down if host.partition("@")[0] not in names]


def main(_arguments: list[str]) -> None:
    """Remove them."""
    services = Volumes().get("os-services")["services"]
    # The Pods are read last: whatever came up meanwhile is among them.
    api = Kube.in_cluster()
    pods = patiently(lambda: api.find(PODS, LABELS), Unavailable, seconds=PATIENCE_SECONDS)
    found = gone(services, names_of(pods))
    for binary, host in found:
        command = ["cinder-manage", "service", "remove", binary, host]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - names out of Cinder's database
        if done.returncode:
            raise Failure(f"cinder-manage did not remove {binary} on {host}: {done.stdout.strip() or done.stderr.strip()[-300:]}")
        say(f"removed {binary} on {host}")
    if not found:
        say(f"nothing to remove among {len(services)} services")


if __name__ == "__main__":
    run(main)
