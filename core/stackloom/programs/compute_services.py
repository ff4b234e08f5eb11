"""Forget Nova's services that will not come back: what a CronJob does. Needs keystoneauth1.

Nova remembers a service for each host on which one ever ran, shows it as down for ever, and speaks to all of a kind as the
oldest of them understands. A conductor or a scheduler has the name of its Pod for a host, and no other Pod will have it. A
compute service has the name of its node, and is gone for good when no nova-compute Pod is meant for that node any more. OS_* is
an account that may remove services, and SILENT_SECONDS how long one must have been silent. Nova itself keeps a compute service
with servers: they must be evacuated first.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from identity import logged_in
from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter
from kube import PODS, Kube
from program import Failure, environment, run, say

COMPUTE = "nova-compute"
# From this version on a service's id is the same in all cells.
MICROVERSION = "2.53"


@dataclass(frozen=True, slots=True)
class Living:
    """What may still report: the names of the Pods, and the nodes for which there is a nova-compute Pod."""

    pods: frozenset[str]
    nodes: frozenset[str]

    @classmethod
    def of(cls, pods: Iterable[Mapping[str, Any]], agents: Iterable[Mapping[str, Any]]) -> Living:
        """Of objects as the Kubernetes API has them; ``agents`` are the Pods of nova-compute."""
        return cls(frozenset(p["metadata"]["name"] for p in pods), frozenset(_node(pod) for pod in agents))

    def may_return(self, service: Mapping[str, Any]) -> bool:
        """Whether the service can report again. A node may have a domain in its name in Kubernetes alone, or at home alone."""
        host = str(service["host"])
        if service["binary"] != COMPUTE:
            return host in self.pods
        return _short(host) in {_short(node) for node in self.nodes}


def _node(pod: Mapping[str, Any]) -> str:
    """The node of a DaemonSet's Pod, also of one that waits for its node."""
    if node := pod["spec"].get("nodeName"):
        return str(node)
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    fields = (field for term in terms for field in term.get("matchFields", []) if field["key"] == "metadata.name")
    return next((str(field["values"][0]) for field in fields), "")


def _short(name: str) -> str:
    return name.partition(".")[0].lower()


def gone(
    services: Iterable[Mapping[str, Any]], living: Living, now: datetime.datetime, silent: datetime.timedelta
) -> Iterator[Mapping[str, Any]]:
    """The services that were silent that long and cannot return."""
    for service in services:
        last = service.get("updated_at")
        heard = datetime.datetime.fromisoformat(last).replace(tzinfo=datetime.timezone.utc) if last else None  # noqa: UP017
        if service["state"] == "down" and (heard is None or now - heard > silent) and not living.may_return(service):
            yield service


def forget(nova: Adapter, services: Iterable[Mapping[str, Any]]) -> Collection[str]:
    """Remove the services; the names of those that Nova keeps."""
    kept = []
    for service in services:
        name = f"{service['binary']} on {service['host']}"
        try:
            nova.delete(f"/os-services/{service['id']}")
        except exceptions.NotFound:
            continue
        except exceptions.Conflict as error:
            kept.append(name)
            say(f"kept {name}: {error.message}")
        else:
            say(f"forgot {name}")
    return kept


def main(_arguments: list[str]) -> None:
    """Forget what is gone. What Nova keeps is for its operator, and no failure of this program."""
    url, seconds = environment("COMPUTE_URL", "SILENT_SECONDS")
    nova = Adapter(logged_in(), service_type="compute", endpoint_override=url, default_microversion=MICROVERSION)
    kube = Kube.in_cluster()
    now, silent = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(seconds=int(seconds))  # noqa: UP017
    try:
        services = nova.get("/os-services").json()["services"]
        # Asked after Nova was: a service that started in between is not in the list.
        living = Living.of(kube.find(PODS, "application=nova"), kube.find(PODS, "stackloom.io/agent=compute,application=nova"))
        if not living.nodes:
            say("no nova-compute Pod is there: nothing is forgotten of compute nodes")
            services = [service for service in services if service["binary"] != COMPUTE]
        forget(nova, gone(services, living, now, silent))
    except exceptions.ClientException as error:
        raise Failure(f"Nova at {url}: {error}") from error


if __name__ == "__main__":
    run(main)
