"""A Kubernetes API as tests use it: apply objects as a deployer would, act as a service account, look at the answers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from kubernetes import client, config

Object = dict[str, Any]

FIELD_MANAGER = "stackloom-tests"
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
DEFINITION = "CustomResourceDefinition"
FIRST = ("Namespace", DEFINITION)  # other objects cannot be written before those that they live in or are made of
WARNING = re.compile(r'^\d{3} \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered: the HTTP status, the object (a Status when it refused), and the texts of its warnings."""

    status: int
    object: Object
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """The objects as the API stored them (or would, in a dry run), in the order given, and its warnings, each with its object."""

    objects: tuple[Object, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One object that the API did not take. ``status`` is HTTP's, ``reason`` the API's word (``Conflict``, ``Invalid``)."""

    object: str
    status: int
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.object}: {self.status} {self.reason}: {self.message}"


class ApplyError(Exception):
    """The API took some of the objects and refused these."""

    def __init__(self, refusals: list[Refusal]) -> None:
        super().__init__("\n".join(map(str, refusals)))
        self.refusals = refusals


@dataclass(frozen=True)
class Cluster:
    """A cluster and the right to do everything in it.

    ``admin`` is the official client, for its typed APIs: ``client.CoreV1Api(cluster.admin)``. ``host``, ``port`` and ``ca_file``
    are what a program in a Pod would be given.
    """

    kubeconfig: Path
    admin: client.ApiClient
    host: str
    port: int
    ca_file: Path
    _resources: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict, repr=False)

    @classmethod
    def from_kubeconfig(cls, kubeconfig: Path) -> Cluster:
        """The cluster of the file's current context. kubernetes.config.ConfigException when the file cannot be used."""
        admin = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        url = urlsplit(admin.configuration.host)
        if url.hostname is None or not admin.configuration.ssl_ca_cert:
            raise config.ConfigException(f"{kubeconfig}: the current context needs a server and a certificate authority")
        return cls(kubeconfig, admin, url.hostname, url.port or 443, Path(admin.configuration.ssl_ca_cert))

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        timeout: float = 30.0,
    ) -> Answer:
        """Ask the API as the admin, without a client's opinion on what is asked or answered: nothing is raised for a refusal.

        A watch answers with the one event that it got in its ``timeoutSeconds``. urllib3's HTTPError when no answer comes within
        ``timeout`` seconds.
        """
        settings = self.admin.configuration
        headers = {"Accept": "application/json", "Content-Type": content_type}
        headers |= {setting["key"]: setting["value"] for setting in settings.auth_settings().values()}
        url = f"{settings.host}{path}?{urlencode(query or {})}"
        encoded = None if body is None else json.dumps(body)
        pool = self.admin.rest_client.pool_manager
        response = pool.request(method, url, body=encoded, headers=headers, timeout=timeout, retries=False)
        warnings = tuple(_warning(value) for value in response.headers.getlist("Warning"))
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        answered = json.loads(response.data) if is_json else {"message": response.data.decode(errors="replace")}
        return Answer(response.status, answered, warnings)

    def close(self) -> None:
        """Give back the admin's connections."""
        self.admin.rest_client.pool_manager.clear()

    def version(self) -> str:
        """The server's release, as in ``v1.37.2``."""
        return str(self.request("GET", "/version").object["gitVersion"])

    def apply(
        self,
        objects: Iterable[Object],
        *,
        strict: bool = True,
        force: bool = False,
        manager: str = FIELD_MANAGER,
        dry_run: bool = False,
    ) -> Applied:
        """Server-side apply of all the objects, as ``manager``; ApplyError, with every refusal, when there is one.

        ``strict`` makes the API refuse unknown and duplicate fields, ``force`` takes fields from other managers. Namespaces and
        definitions go first, and what a definition defines can be used at once.
        """
        query = {"fieldManager": manager, "fieldValidation": "Strict" if strict else "Warn", "force": json.dumps(force)}
        query |= {"dryRun": "All"} if dry_run else {}
        given = list(objects)
        taken: dict[int, Object] = {}
        warnings: list[str] = []
        refusals: list[Refusal] = []
        for place, wanted in sorted(enumerate(given), key=lambda item: item[1]["kind"] not in FIRST):
            path = self.path(wanted)
            answer = self.request("PATCH", path, wanted, query=query, content_type=APPLY_PATCH) if path else _unknown_kind(wanted)
            warnings += [f"{name_of(wanted)}: {warning}" for warning in answer.warnings]
            if answer.status >= 300:
                reason, message = (str(answer.object.get(key, "")) for key in ("reason", "message"))
                refusals.append(Refusal(name_of(wanted), answer.status, reason, message))
                continue
            taken[place] = answer.object
            if wanted["kind"] == DEFINITION and not dry_run:
                self._wait_until_served(answer.object)
        if refusals:
            raise ApplyError(refusals)
        return Applied(tuple(taken[place] for place in range(len(given))), tuple(warnings))

    def dry_run(self, objects: Iterable[Object], *, strict: bool = True, force: bool = False) -> Applied:
        """What ``apply`` would do, admission and all, with nothing stored: the objects' namespaces must exist already."""
        return self.apply(objects, strict=strict, force=force, dry_run=True)

    def path(self, of: Object) -> str:
        """Where the API has the object, in ``default`` unless it names a namespace; "" for a kind that the API has not."""
        prefix = f"/apis/{of['apiVersion']}" if "/" in of["apiVersion"] else f"/api/{of['apiVersion']}"
        key = (prefix, of["kind"])
        if key not in self._resources:
            for found in self.request("GET", prefix).object.get("resources", []):
                if "/" not in found["name"]:
                    self._resources[prefix, found["kind"]] = (found["name"], found["namespaced"])
        if key not in self._resources:
            return ""
        plural, namespaced = self._resources[key]
        within = f"/namespaces/{of['metadata'].get('namespace', 'default')}" if namespaced else ""
        return f"{prefix}{within}/{plural}/{of['metadata']['name']}"

    def token_for(self, namespace: str, service_account: str, *, seconds: int = 3600) -> str:
        """A token of the service account, as the kubelet would ask one for its Pod (TokenRequest; 600 seconds at least)."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
        answer = self.request("POST", path, wanted)
        if answer.status != 201:
            raise LookupError(f"no token for {namespace}/{service_account}: {answer.object['message']}")
        return str(answer.object["status"]["token"])

    def client_of(self, namespace: str, service_account: str) -> client.ApiClient:
        """The official client with the rights of the service account and no others."""
        settings = client.Configuration(host=self.admin.configuration.host)
        settings.ssl_ca_cert = str(self.ca_file)
        settings.api_key = {"authorization": f"Bearer {self.token_for(namespace, service_account)}"}
        return client.ApiClient(settings)

    def mount(self, namespace: str, service_account: str, directory: Path) -> dict[str, str]:
        """Write what the kubelet mounts for a Pod of the service account; the environment by which its programs find the API."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "token").write_text(self.token_for(namespace, service_account))
        (directory / "namespace").write_text(namespace)
        (directory / "ca.crt").write_bytes(self.ca_file.read_bytes())
        address = {"KUBERNETES_SERVICE_HOST": self.host, "KUBERNETES_SERVICE_PORT": str(self.port)}
        return address | {"SERVICE_ACCOUNT_DIRECTORY": str(directory)}

    def new_namespace(self, prefix: str = "test") -> str:
        """A new namespace, with the default service account that a controller would make and Pods cannot do without."""
        wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": f"{prefix}-"}}
        name = str(self.request("POST", "/api/v1/namespaces", wanted).object["metadata"]["name"])
        self.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}])
        return name

    def delete_namespace(self, name: str) -> None:
        """Ask for the namespace's end. Only a cluster with controllers ever gets there."""
        self.request("DELETE", f"/api/v1/namespaces/{name}")

    def _wait_until_served(self, definition: Object, seconds: float = 15.0) -> None:
        """Wait for the API to know the kind that was defined, which it does a moment after it took the definition."""
        spec = definition["spec"]
        versions = [f"{spec['group']}/{version['name']}" for version in spec["versions"] if version["served"]]
        deadline = time.monotonic() + seconds
        while not all(self.path({"apiVersion": v, "kind": spec["names"]["kind"], "metadata": {"name": "any"}}) for v in versions):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name_of(definition)}: not served {seconds} s after it was applied")
            time.sleep(0.05)


def name_of(wanted: Object) -> str:
    """``Kind namespace/name``, for messages."""
    namespace = wanted["metadata"].get("namespace")
    return f"{wanted['kind']} {namespace + '/' if namespace else ''}{wanted['metadata']['name']}"


def _unknown_kind(wanted: Object) -> Answer:
    message = f"the server has no {wanted['kind']} in {wanted['apiVersion']}"
    return Answer(404, {"reason": "NotFound", "message": message}, ())


def _warning(header: str) -> str:
    """The text of a Warning header, which has a code, an agent, and the text in quotes."""
    matched = WARNING.match(header)
    return re.sub(r"\\(.)", r"\1", matched[1]) if matched else header
