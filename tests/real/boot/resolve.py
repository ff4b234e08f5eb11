"""Values of a manifest that stand elsewhere: in ConfigMaps, Secrets and the Pod itself, and in variables."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.real.cluster import Cluster, Object

REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")
LABEL = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class NotThereError(Exception):
    """An object or a key that a Pod waits for."""


@dataclass
class Sources:
    """ConfigMaps and Secrets of a namespace, and tokens of its accounts, as a kubelet is given them."""

    cluster: Cluster
    namespace: str
    _known: Mapping[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    _tokens: dict[str, bytes] = field(default_factory=dict)

    def look(self) -> None:
        """See all ConfigMaps and Secrets as they are now."""
        known: dict[tuple[str, str], dict[str, bytes]] = {}
        for kind, decode in (("ConfigMap", str.encode), ("Secret", base64.b64decode)):
            path = f"/api/v1/namespaces/{self.namespace}/{kind.lower()}s"
            for body in self.cluster.request("GET", path).object["items"]:
                texts = body.get("data") or {}
                known[kind, body["metadata"]["name"]] = {key: decode(text) for key, text in texts.items()}
        self._known = known

    def data(self, kind: str, name: str) -> dict[str, bytes]:
        """What a ConfigMap or a Secret held at the last look. NotThereError where there was none."""
        if (kind, name) not in self._known:
            raise NotThereError(f"no {kind} {name}")
        return self._known[kind, name]

    def value(self, kind: str, name: str, key: str) -> bytes:
        """One value. NotThereError where there is none."""
        try:
            return self.data(kind, name)[key]
        except KeyError:
            raise NotThereError(f"no key {key} in the {kind} {name}") from None

    def token(self, pod: Object, seconds: int) -> bytes:
        """The token of the Pod's account, bound to the Pod: it is good for as long as that is there."""
        meta = pod["metadata"]
        if meta["uid"] not in self._tokens:
            account = pod["spec"]["serviceAccountName"]
            bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
            body = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": seconds, "boundObjectRef": bound},
            }
            path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
            answer = self.cluster.request("POST", path, body)
            if answer.status != 201:
                raise NotThereError(f"no token of {account}: {answer.object.get('message')}")
            self._tokens[meta["uid"]] = answer.object["status"]["token"].encode()
        return self._tokens[meta["uid"]]

    def environment(self, container: Object, pod: Object) -> dict[str, str]:
        """The variables of a container, each expanded with those before it. NotThereError where one cannot be known yet."""
        if container.get("envFrom"):
            raise NotImplementedError(f"container {container['name']}: envFrom")
        env: dict[str, str] = {
            "KUBERNETES_SERVICE_HOST": self.cluster.host,
            "KUBERNETES_SERVICE_PORT": str(self.cluster.port),
            "HOSTNAME": pod["metadata"]["name"],
        }
        for entry in container.get("env") or ():
            env[entry["name"]] = self._variable(entry, pod) if "valueFrom" in entry else expand(entry.get("value", ""), env)
        return env

    def _variable(self, entry: Object, pod: Object) -> str:
        ((how, reference),) = entry["valueFrom"].items()
        match how:
            case "secretKeyRef":
                return self.value("Secret", reference["name"], reference["key"]).decode()
            case "configMapKeyRef":
                return self.value("ConfigMap", reference["name"], reference["key"]).decode()
            case "fieldRef":
                return pod_field(pod, reference["fieldPath"])
        raise NotImplementedError(f"variable {entry['name']}: {how}")


def expand(text: str, env: Mapping[str, str]) -> str:
    """``$(NAME)`` with the variable's value; as it stands where there is none. ``$$`` is one dollar."""
    return REFERENCE.sub(lambda m: "$" if m[0] == "$$" else env.get(m[1], m[0]), text)


def pod_field(pod: Object, path: str) -> str:
    """A field of the Pod, by the path of the downward API."""
    if labelled := LABEL.fullmatch(path):
        return str((pod["metadata"].get(labelled[1]) or {}).get(labelled[2], ""))
    value = pod
    for part in path.split("."):
        value = value[part]
    return str(value)
