"""Hold a Pod back until what it needs is there: the init container ``gate``.

It waits for Services with a ready endpoint (GATE_SERVICES), for Jobs of this release that have succeeded (GATE_JOBS,
GATE_RELEASE), for Jobs of the infrastructure, which knows no release (GATE_LASTING_JOBS), for Pods that are ready on the same
node (GATE_NODE_PODS, NODE_NAME), and for the end of all Pods of another release of some applications (GATE_REPLACED,
GATE_RELEASE), however long that takes: a Pod that waits says what for, a Pod that gives up only restarts. It
asks for lists of endpointslices, jobs and pods, and no more than a few of them every two seconds, however much there is to wait
for.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kube import ENDPOINT_SLICES, JOBS, PODS, Forbidden, Kube, Object, Unavailable
from program import Failure, run, say

SERVICE_LABEL = "kubernetes.io/service-name"
JOB_LABEL = "stackloom.io/job"
TASK_LABEL = "stackloom.io/task"
RELEASE_LABEL = "stackloom.io/release"
ENDED = ("Succeeded", "Failed")
POLL_SECONDS = 2.0
REPEAT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be there: names of Services, values of the Jobs' label, label selectors of Pods on ``node``.

    ``jobs`` are those of ``release``, ``lasting`` of any. And what must be gone: Pods of another release, of the applications
    ``replaced``.
    """

    services: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    release: str = ""
    pods: tuple[str, ...] = ()
    node: str = ""
    lasting: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the API shows: EndpointSlices and Jobs of all those needed, for each selector the Pods on the node, Pods of before."""

    slices: Iterable[Object] = ()
    jobs: Iterable[Object] = ()
    pods: Mapping[str, Iterable[Object]] | None = None
    former: Iterable[Object] = ()


def needs_from(env: Mapping[str, str]) -> Needs:
    """The needs that the environment states. Raises Failure where it contradicts itself."""
    needs = Needs(
        services=_words(env.get("GATE_SERVICES", ""), ","),
        jobs=_words(env.get("GATE_JOBS", ""), ","),
        release=env.get("GATE_RELEASE", ""),
        lasting=_words(env.get("GATE_LASTING_JOBS", ""), ","),
        pods=_words(env.get("GATE_NODE_PODS", ""), ";"),
        node=env.get("NODE_NAME", ""),
        replaced=_words(env.get("GATE_REPLACED", ""), ","),
    )
    if needs.jobs and not needs.release:
        raise Failure("GATE_JOBS names Jobs, but GATE_RELEASE does not say of which release")
    if needs.replaced and not needs.release:
        raise Failure("GATE_REPLACED names applications, but GATE_RELEASE does not say of which release they are to be")
    if needs.pods and not needs.node:
        raise Failure("GATE_NODE_PODS names Pods, but NODE_NAME does not say on which node")
    return needs


def _words(text: str, separator: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(separator) if word.strip()))


def missing(needs: Needs, seen: Seen) -> list[str]:
    """What is still to come, a few words for each thing; empty when the gate is open."""
    ready = {_label(s, SERVICE_LABEL) for s in seen.slices if any(_endpoint_is_ready(e) for e in s.get("endpoints") or ())}
    jobs = list(seen.jobs)
    said = [f"Service {name} has no ready endpoint" for name in needs.services if name not in ready]
    wanted = (*needs.jobs, *needs.lasting)
    said += [text for name in wanted if (text := _job_is_missing(name, [j for j in jobs if _label(j, JOB_LABEL) == name]))]
    if former := [pod for pod in seen.former if (pod.get("status") or {}).get("phase") not in ENDED]:
        said.append(f"Pod {_names(former)} of another release is still there")
    pods = seen.pods or {}
    return said + [
        f"no ready Pod {selector} on this node"
        for selector in needs.pods
        if not any(_is_alive(pod) and _has_condition(pod, "Ready") for pod in pods.get(selector, ()))
    ]


def _job_is_missing(name: str, jobs: list[Object]) -> str:
    """Why the Jobs of this label do not open the gate, or "".

    A Job under deletion still counts as long as it runs, because its work goes on, but its success no longer counts: Git has
    another one in its place. A failed Job is of no account beside one that succeeded.
    """
    succeeded = [j for j in jobs if _has_condition(j, "Complete")]
    failed = [j for j in jobs if _has_condition(j, "Failed")]
    running = [j for j in jobs if j not in succeeded and j not in failed]
    if running:
        return f"Job {_names(running)} is still running"
    if any(_is_alive(j) for j in succeeded):
        return ""
    alive = [j for j in failed if _is_alive(j)]
    return f"Job {_names(alive)} has failed" if alive else f"no Job {name} yet"


def _label(body: Object, name: str) -> str:
    return str((body["metadata"].get("labels") or {}).get(name, ""))


def _names(bodies: Iterable[Object]) -> str:
    return ", ".join(sorted(str(body["metadata"]["name"]) for body in bodies))


def _is_alive(body: Object) -> bool:
    return "deletionTimestamp" not in body["metadata"]


def _has_condition(body: Object, kind: str) -> bool:
    conditions: Iterable[Object] = (body.get("status") or {}).get("conditions") or ()
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def _endpoint_is_ready(endpoint: Object) -> bool:
    # The API's definition: unknown (absent) counts as ready.
    return (endpoint.get("conditions") or {}).get("ready") is not False


def look(api: Kube, needs: Needs) -> Seen:
    """Ask the API for all that the needs concern."""
    slices = api.find(ENDPOINT_SLICES, f"{SERVICE_LABEL} in ({','.join(needs.services)})") if needs.services else []
    in_release = f"{JOB_LABEL} in ({','.join(needs.jobs)}),{RELEASE_LABEL}={needs.release}"
    jobs = api.find(JOBS, in_release) if needs.jobs else []
    jobs += api.find(JOBS, f"{JOB_LABEL} in ({','.join(needs.lasting)})") if needs.lasting else []
    on_node = f"spec.nodeName={needs.node}"
    pods = {selector: api.find(PODS, selector, fields=on_node) for selector in needs.pods}
    # != alone would take those without the label, too. Tasks of before end by themselves, or wait for ever.
    elsewhen = f"application in ({','.join(needs.replaced)}),{RELEASE_LABEL},{RELEASE_LABEL}!={needs.release},!{TASK_LABEL}"
    return Seen(slices, jobs, pods, api.find(PODS, elsewhen) if needs.replaced else [])


def wait(observe: Callable[[], list[str]], pause: Callable[[], Any], clock: Callable[[], float]) -> None:
    """Return when nothing is missing; say what is, when that changes and every REPEAT_SECONDS."""
    said, said_at = [""], 0.0
    while still := observe():
        if still != said or clock() - said_at >= REPEAT_SECONDS:
            say(f"waiting: {'; '.join(still)}")
            said, said_at = still, clock()
        pause()
    say("all there")


def main(_arguments: list[str]) -> None:
    """Wait."""
    needs = needs_from(os.environ)
    api = Kube.in_cluster()

    def observe() -> list[str]:
        try:
            return missing(needs, look(api, needs))
        except (Unavailable, Forbidden) as error:
            # Its Role may be applied after it, and the API may be away for a while: neither is a reason to give up.
            return [str(error)]

    # Jitter keeps the Pods of a starting cloud from asking all at the same moment.
    wait(observe, lambda: time.sleep(random.uniform(0.75, 1.25) * POLL_SECONDS), time.monotonic)  # noqa: S311


if __name__ == "__main__":
    run(main)
