"""The database's Pods on a real Kubernetes API: no kubelet and no controllers of Kubernetes', but what these would do.

The StatefulSet, the account and its Role are those of the output. What a StatefulSet's controller and a kubelet do to Pods, a
test does here. Everything that happens to the Pods is recorded, in the order in which the API knows it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import urllib3

from tests.real.cluster import Cluster, Object
from tests.real.mariadb_output import CONTROLLER, SERVERS, Output, account, moved

PATIENCE_SECONDS = 30.0
ROLE = "mariadb_role"
MANY = 11
NOW = "2026-01-01T00:00:00Z"


def until(true: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait for it, and return how long that took, in seconds. AssertionError when it does not come."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() < started + seconds, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - started


class Recorder:
    """The Pods of a namespace, with each of their changes from now on.

    ``primaries`` are those that had the role, each with when it got it; ``most`` is how many had it at once, at worst.
    """

    def __init__(self, kubernetes: Cluster, namespace: str) -> None:
        self.pods: dict[str, Object] = {}
        self.primaries: list[tuple[float, str]] = []
        self.most = 0
        path = f"/api/v1/namespaces/{namespace}/pods"
        version = kubernetes.request("GET", path).object["metadata"]["resourceVersion"]
        url = f"{kubernetes.admin.configuration.host}{path}?watch=1&resourceVersion={version}"
        pool = kubernetes.admin.rest_client.pool_manager
        self._stream = pool.request("GET", url, preload_content=False, timeout=urllib3.Timeout(connect=5, read=None))
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Record no more. AssertionError if the record is not complete."""
        complete = self._thread.is_alive()
        self._stream.shutdown()
        self._thread.join()
        assert complete

    def _record(self) -> None:
        with suppress(urllib3.exceptions.HTTPError):
            for line in self._lines():
                self._take(json.loads(line))

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._stream.stream(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines

    def _take(self, event: Object) -> None:
        pods = {**self.pods, event["object"]["metadata"]["name"]: event["object"]}
        if event["type"] == "DELETED":
            del pods[event["object"]["metadata"]["name"]]
        self.pods = pods
        holders = self.holders()
        self.most = max(self.most, len(holders))
        self.primaries += [(time.monotonic(), holder) for holder in holders if [holder] != [n for _, n in self.primaries[-1:]]]

    def holders(self) -> list[str]:
        """Who has the role of the primary."""
        return sorted(name for name, body in self.pods.items() if body["metadata"].get("labels", {}).get(ROLE) == "primary")


class Servers:
    """The Pods of the StatefulSet in a namespace of their own."""

    def __init__(self, kubernetes: Cluster, namespace: str, output: Output, addresses: Sequence[str] = ()) -> None:
        self.kubernetes, self.namespace, self.output = kubernetes, namespace, output
        self._addresses = addresses or [f"127.0.77.{10 + number}" for number in range(MANY)]
        wanted = [*account(output, CONTROLLER, namespace), *moved([output[f"StatefulSet/{SERVERS}"]], namespace)]
        self._owner = kubernetes.apply(wanted).objects[-1]["metadata"]["uid"]
        self.recorder = Recorder(kubernetes, namespace)

    def make(self, *numbers: int, ready: bool = True) -> list[str]:
        """Make these Pods, as the StatefulSet's controller would. Their uids."""
        uids: list[str] = []
        template = self.output[f"StatefulSet/{SERVERS}"]["spec"]["template"]
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": SERVERS, "uid": self._owner, "controller": True}
        for number in numbers:
            meta = {
                "name": f"{SERVERS}-{number}",
                "namespace": self.namespace,
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner],
            }
            # On a node, so that a deleted Pod waits for a kubelet. It runs nothing, so the smallest spec will do.
            spec = {"nodeName": f"node-{number}", "containers": [{"name": "main", "image": "image:1"}]}
            body: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
            uids.append(self._request("POST", "", body)["metadata"]["uid"])
            self.turn(number, ready=ready)
        return uids

    def turn(self, number: int, *, ready: bool) -> None:
        """Say that a Pod is ready, or not, as its kubelet would."""
        ip = self._addresses[number]
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": NOW}
        status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [condition]}
        self._request("PATCH", f"/{SERVERS}-{number}/status", {"status": status})

    def delete(self, number: int) -> None:
        """Delete a Pod, which waits for its kubelet then."""
        self._request("DELETE", f"/{SERVERS}-{number}", {"gracePeriodSeconds": 300})

    def remove(self, number: int) -> None:
        """Delete a Pod as a kubelet does at the end: it is gone at once."""
        self._request("DELETE", f"/{SERVERS}-{number}", {"gracePeriodSeconds": 0})

    def label(self, number: int, role: str | None) -> None:
        """Write the label by hand."""
        self._request("PATCH", f"/{SERVERS}-{number}", {"metadata": {"labels": {ROLE: role}}})

    def scale(self, replicas: int) -> None:
        """Change the StatefulSet's number of replicas."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets/{SERVERS}"
        body = {"spec": {"replicas": replicas}}
        assert self.kubernetes.request("PATCH", path, body, content_type="application/merge-patch+json").status == HTTPStatus.OK

    def allow(self, rules: list[Object]) -> None:
        """Make these the rules of the controller's Role."""
        (body,) = moved([self.output[f"Role/{CONTROLLER}"]], self.namespace)
        self.kubernetes.apply([{**body, "rules": rules}])

    def roles(self) -> dict[int, str]:
        """The label of each Pod, by its number."""
        bodies = self.kubernetes.request("GET", f"/api/v1/namespaces/{self.namespace}/pods").object["items"]
        numbered = {int(body["metadata"]["name"].rpartition("-")[2]): body["metadata"] for body in bodies}
        return {number: meta.get("labels", {}).get(ROLE, "") for number, meta in sorted(numbered.items())}

    def settle(self, primary: int, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until this one is the primary and all others are backups; how long that took, in seconds."""

        def settled() -> bool:
            return all(role == ("primary" if number == primary else "backup") for number, role in self.roles().items())

        return until(settled, seconds)

    def moved_after(self, change: Callable[[], None], to: int) -> float:
        """Seconds from a change to when the API has the role at this Pod."""
        started = time.monotonic()
        change()
        until(lambda: self.recorder.holders() == [f"{SERVERS}-{to}"])
        return self.recorder.primaries[-1][0] - started

    def events(self) -> list[Object]:
        """The Events of the namespace."""
        found: list[Object] = self.kubernetes.request("GET", f"/api/v1/namespaces/{self.namespace}/events").object["items"]
        return found

    def _request(self, method: str, path: str, body: Object) -> Object:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        where = f"/api/v1/namespaces/{self.namespace}/pods{path}"
        answer = self.kubernetes.request(method, where, body, content_type=kind)
        assert answer.status < HTTPStatus.BAD_REQUEST, answer.object
        return answer.object
