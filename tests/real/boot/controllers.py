"""What controllers do, as much of it as a single node needs: Pods for workloads, the end of Jobs, endpoints of Services.

They tell the API only what is so; whoever waits for it, waits by its own means (``programs/gate.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.real.boot.substitutions import not_run
from tests.real.cluster import Cluster, Object

NODE = "node-0"
MERGE = "application/merge-patch+json"


@dataclass
class Controllers:
    """The controllers of a namespace."""

    cluster: Cluster
    namespace: str
    workloads: list[Object]
    services: list[Object]
    _slices: dict[str, Object] = field(default_factory=dict)

    def pods(self) -> list[Object]:
        """The Pods as the API has them."""
        found: list[Object] = self.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/pods").object["items"]
        return found

    def make_pods(self, pods: Iterable[Object]) -> None:
        """Make a Pod for every workload that is to run and has none."""
        have = {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods}
        for workload in list(self.workloads):
            if workload["metadata"]["uid"] not in have and not not_run(workload):
                self._create("pods", self._pod(workload))

    def run_now(self, cron_job: Object, name: str) -> Object:
        """Make a Job of a CronJob, as ``kubectl create job --from`` does."""
        template = cron_job["spec"]["jobTemplate"]
        meta = {**template.get("metadata", {}), "name": name, "namespace": self.namespace}
        body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": template["spec"]}
        job = self.cluster.apply([body]).objects[0]
        self.workloads.append(job)
        return job

    def _pod(self, workload: Object) -> Object:
        meta, template = workload["metadata"], workload["spec"]["template"]
        stateful = workload["kind"] == "StatefulSet"
        name = f"{meta['name']}-0" if stateful else f"{meta['name']}-{meta['uid'][:5]}"
        labels = {**template["metadata"].get("labels", {})}
        if workload["kind"] == "Job":
            labels |= {"batch.kubernetes.io/job-name": meta["name"]}
        if stateful:
            labels |= {"statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": "0"}
        owner = {key: workload[key] for key in ("apiVersion", "kind")} | {
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
        }
        spec = {**template["spec"], "nodeName": NODE, "hostname": name}
        if claims := workload["spec"].get("volumeClaimTemplates"):
            names = [claim["metadata"]["name"] for claim in claims]
            claimed = [{"name": n, "persistentVolumeClaim": {"claimName": f"{n}-{name}"}} for n in names]
            spec["volumes"] = [*(v for v in spec.get("volumes", []) if v["name"] not in names), *claimed]
        annotations = template["metadata"].get("annotations", {})
        described = {"name": name, "labels": labels, "annotations": annotations, "ownerReferences": [owner]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": described, "spec": spec}

    def report_pod(self, name: str, status: Object) -> None:
        """What the kubelet says of a Pod."""
        self._patch(f"/api/v1/namespaces/{self.namespace}/pods/{name}/status", {"status": status})

    def end(self, job: str, *, succeeded: bool) -> None:
        """Say that a Job has ended as its Pod has."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kinds = ("SuccessCriteriaMet", "Complete") if succeeded else ("FailureTarget", "Failed")
        true = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds]
        result = {"completionTime": now, "succeeded": 1} if succeeded else {"failed": 1}
        status = {"startTime": now, **result, "conditions": true, "uncountedTerminatedPods": {}}
        self._patch(f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{job}/status", {"status": status})

    def publish_endpoints(self, bodies: Iterable[Object]) -> dict[str, str]:
        """Write an EndpointSlice for each Service; the addresses that names stand for now."""
        pods = [pod for pod in bodies if pod.get("status", {}).get("podIP")]
        names: dict[str, str] = {}
        for service in self.services:
            name, spec = service["metadata"]["name"], service["spec"]
            ready = {pod["status"]["podIP"]: _is_ready(pod) for pod in pods if _matches(spec["selector"], pod)}
            self._write(self._slice(service, ready))
            asked = [ip for ip, is_ready in ready.items() if is_ready or spec.get("publishNotReadyAddresses")]
            names |= self._names(name, asked)
            if spec.get("clusterIP") == "None":
                for pod in pods:
                    if _matches(spec["selector"], pod) and pod["status"]["podIP"] in asked:
                        names |= self._names(f"{pod['metadata']['name']}.{name}", [pod["status"]["podIP"]])
        return names

    def _names(self, name: str, addresses: Iterable[str]) -> dict[str, str]:
        domains = (f".{self.namespace}.svc.cluster.local", f".{self.namespace}.svc", f".{self.namespace}", "")
        return {f"{name}{domain}": address for address in addresses for domain in domains}

    def _slice(self, service: Object, ready: Mapping[str, bool]) -> Object:
        name = service["metadata"]["name"]
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-0", "namespace": self.namespace, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": port["name"], "port": port["port"]} for port in service["spec"].get("ports") or ()],
            "endpoints": [{"addresses": [ip], "conditions": {"ready": is_ready}} for ip, is_ready in ready.items()],
        }

    def _write(self, body: Object) -> None:
        name = body["metadata"]["name"]
        if self._slices.get(name) != body:
            self.cluster.apply([body], manager="endpoints")
            self._slices[name] = body

    def _create(self, plural: str, body: Object) -> None:
        answer = self.cluster.request("POST", f"/api/v1/namespaces/{self.namespace}/{plural}", body)
        assert answer.status == 201, answer.object

    def _patch(self, path: str, body: Object) -> None:
        answer = self.cluster.request("PATCH", path, body, content_type=MERGE)
        assert answer.status == 200, answer.object


def _is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())


def _matches(selector: Mapping[str, str], pod: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())
