"""A small client of the Kubernetes API: the few verbs that programs in the cluster need, on objects as JSON has them.

Every request reads the token anew, because the kubelet renews it, and opens a connection of its own, because seconds or minutes
pass between requests. Nothing is retried here: whether to wait is the caller's decision.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from program import Failure, environment

Object = dict[str, Any]

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class ApiError(Failure):
    """The Kubernetes API did not do what it was asked to."""


class NotFound(ApiError):
    """There is no such object."""


class Conflict(ApiError):
    """The object exists already, or was changed by somebody else since it was read."""


class Forbidden(ApiError):
    """The caller may not do this, or its token was not accepted."""


class Unavailable(ApiError):
    """The API does not answer, or cannot answer now: asking again may help."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects, as the API's paths spell it: its plural, its group ("" for the core's) and version."""

    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True


SECRETS = Resource("secrets")
PODS = Resource("pods")
EVENTS = Resource("events")
CONFIG_MAPS = Resource("configmaps")
STATEFUL_SETS = Resource("statefulsets", "apps")
LEASES = Resource("leases", "coordination.k8s.io")
JOBS = Resource("jobs", "batch")
ENDPOINT_SLICES = Resource("endpointslices", "discovery.k8s.io")
_ACCESS_REVIEWS = Resource("selfsubjectaccessreviews", "authorization.k8s.io", namespaced=False)

# A watch that is not ended by then has lost its connection without noticing.
WATCH_GRACE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Kube:
    """The objects of one namespace. ``directory`` holds ``token`` and ``ca.crt``; ``timeout`` is in seconds.

    Every method raises NotFound, Conflict, Forbidden, Unavailable, or ApiError for whatever else the API objects to.
    """

    host: str
    port: int
    namespace: str
    directory: str = SERVICE_ACCOUNT
    timeout: float = 10.0

    @classmethod
    def in_cluster(cls) -> Kube:
        """The API and the namespace of the Pod that this runs in. SERVICE_ACCOUNT_DIRECTORY says where else the token is."""
        host, port = environment("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
        directory = os.environ.get("SERVICE_ACCOUNT_DIRECTORY", SERVICE_ACCOUNT)
        return cls(host=host, port=int(port), namespace=_read(directory, "namespace"), directory=directory)

    def get(self, resource: Resource, name: str) -> Object:
        """One object."""
        return self._request("get", "GET", resource, name)

    def find(self, resource: Resource, labels: str = "", *, fields: str = "") -> list[Object]:
        """The objects that match both selectors (``a=b,c in (d,e)``; ``spec.nodeName=n``)."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        items: list[Object] = self._request("list", "GET", resource, query=query)["items"]
        return items

    def watch(self, resource: Resource, labels: str = "", *, seconds: int) -> Iterator[tuple[str, Object]]:
        """What happens to the objects that match, for that long: (ADDED, MODIFIED or DELETED, the object).

        The first events are an ADDED for each object that there is. The API may end it early, and the connection may have been
        dead for a while: whoever must not miss anything looks again now and then.
        """
        query = {"watch": "1", "labelSelector": labels, "timeoutSeconds": str(seconds)}
        path, headers = self._path(resource, query=query), self._headers()
        with self._answered("GET", path, headers, None, timeout=seconds + WATCH_GRACE_SECONDS) as response:
            if response.status >= http.client.BAD_REQUEST:
                raise self._refusal("watch", resource, "", response.status, _decoded(response.read()))
            while line := response.readline():
                event = _decoded(line)
                if event.get("type") == "ERROR":
                    raise self._refusal("watch", resource, "", event["object"].get("code", 500), event["object"])
                if "object" in event:
                    yield str(event["type"]), event["object"]

    def may(self, verb: str, resource: Resource, name: str = "") -> bool:
        """Whether this account may do that, with the object of this name or with all of the namespace."""
        asked = {"namespace": self.namespace, "verb": verb, "group": resource.group, "resource": resource.plural, "name": name}
        answer = self._request("create", "POST", _ACCESS_REVIEWS, body={"spec": {"resourceAttributes": asked}})
        return bool(answer["status"]["allowed"])

    def create(self, resource: Resource, body: Mapping[str, Any]) -> Object:
        """Create an object; Conflict if one of its name exists. Returns it as the API made it."""
        return self._request("create", "POST", resource, body=body)

    def patch(self, resource: Resource, name: str, body: Mapping[str, Any]) -> Object:
        """Merge ``body`` into an object; null removes. With a ``metadata.resourceVersion``: Conflict if it is not current."""
        return self._request("patch", "PATCH", resource, name, body=body, content_type="application/merge-patch+json")

    def replace(self, resource: Resource, body: Mapping[str, Any]) -> Object:
        """Write an object that was read before; Conflict if it was changed meanwhile."""
        return self._request("update", "PUT", resource, str(body["metadata"]["name"]), body=body)

    def _request(
        self,
        verb: str,
        method: str,
        resource: Resource,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        headers = self._headers() | ({} if body is None else {"Content-Type": content_type})
        data = None if body is None else json.dumps(body).encode()
        with self._answered(method, self._path(resource, name, query), headers, data, self.timeout) as response:
            status, answer = response.status, _decoded(response.read())
        if status >= http.client.BAD_REQUEST:
            raise self._refusal(verb, resource, name, status, answer)
        return answer

    def _path(self, resource: Resource, name: str = "", query: Mapping[str, str] | None = None) -> str:
        root = f"/apis/{resource.group}" if resource.group else "/api"
        within = f"/namespaces/{self.namespace}" if resource.namespaced else ""
        path = f"{root}/{resource.version}{within}/{resource.plural}"
        return path + (f"/{quote(name)}" if name else "") + (f"?{urlencode(query)}" if query else "")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {_read(self.directory, 'token')}", "Accept": "application/json"}

    @contextmanager
    def _answered(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Iterator[http.client.HTTPResponse]:
        """The API's answer, to be read in the context. ``timeout`` is how long it may say nothing, in seconds."""
        try:
            trust = ssl.create_default_context(cafile=f"{self.directory}/ca.crt")
        except OSError as error:
            raise Failure(f"{self.directory}/ca.crt cannot be read: {error.strerror}") from error
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=trust)
        try:
            connection.request(method, path, body=body, headers=dict(headers))
            yield connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            message = f"the Kubernetes API at {self.host}:{self.port} does not answer: {error or type(error).__name__}"
            raise Unavailable(message) from error
        finally:
            connection.close()

    def _refusal(self, verb: str, resource: Resource, name: str, status: int, answer: Object) -> ApiError:
        message = str(answer.get("message") or f"status {status}")
        what = f"{verb} {resource.plural}{f' {name!r}' if name else ''} in namespace {self.namespace!r}"
        return _error(status, verb, resource, f"{what}: {message}", message)


def _decoded(text: bytes) -> Object:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {}


def _read(directory: str, name: str) -> str:
    try:
        return Path(directory, name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Failure(f"{directory}/{name} cannot be read: {error.strerror}; mount the service account's token there") from error


def _error(status: int, verb: str, resource: Resource, text: str, message: str) -> ApiError:
    if status == http.client.FORBIDDEN and f"cannot {verb} resource" in message:
        return Forbidden(f"the Role of this service account lacks the verb {verb!r} on {resource.plural!r}: {message}")
    if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return Forbidden(f"not allowed to {text}")
    if status == http.client.NOT_FOUND:
        return NotFound(f"cannot {text}")
    if status == http.client.CONFLICT:
        return Conflict(f"cannot {text}")
    if status == http.client.TOO_MANY_REQUESTS or status >= http.client.INTERNAL_SERVER_ERROR:
        return Unavailable(f"cannot {text}")
    return ApiError(f"cannot {text}")
