"""The APIs of Neutron and Nova, as Octavia's own account: what its programs share. Needs keystoneauth1.

NETWORK_URL and COMPUTE_URL are theirs, OS_* is the account. Everything is looked for in the account's own project.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from identity import PATIENCE_SECONDS, logged_in
from keystoneauth1 import exceptions
from keystoneauth1.session import Session
from program import Failure, environment, patiently, say

Entity = dict[str, Any]

# By it all ports of controllers are found, whoever they are on.
CONTROLLER = "Octavia:health-mgr"


class Away(Failure):
    """A service does not answer, or cannot answer now."""


class Absent(Failure):
    """There is no such thing."""


class Api:
    """One API. Reading is tried again while the service is away; writing is not: the next run finds out how far this one came."""

    def __init__(self, session: Session, url: str) -> None:
        """``url`` is that of the API, with its version."""
        self._session = session
        self._url = url.rstrip("/")

    @property
    def project(self) -> str:
        """The id of the account's project."""

        def asked() -> str:
            try:
                return str(self._session.get_project_id())
            except exceptions.ClientException as error:
                raise Away(f"Keystone: {error}") from error

        return patiently(asked, Away, seconds=PATIENCE_SECONDS)

    def get(self, path: str, **query: str) -> Entity:
        """The answer to a GET. Raises Absent, or another Failure."""
        return patiently(lambda: self._ask("GET", path, query=query), Away, seconds=PATIENCE_SECONDS)

    def post(self, path: str, body: Mapping[str, Any]) -> Entity:
        """The answer to a POST."""
        return self._ask("POST", path, body)

    def put(self, path: str, body: Mapping[str, Any]) -> Entity:
        """The answer to a PUT."""
        return self._ask("PUT", path, body)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Entity:
        headers = {"Accept": "application/json"}
        try:
            answer = self._session.request(f"{self._url}/{path}", method, json=body, params=dict(query or {}), headers=headers)
        except exceptions.HttpError as error:
            kind = {404: Absent, 502: Away, 503: Away, 504: Away}.get(error.http_status, Failure)
            raise kind(f"{method} {path}: {error.message} ({error.http_status})") from error
        except exceptions.ClientException as error:
            raise Away(f"{self._url}: {error}") from error
        content: Entity = answer.json() if answer.content else {}
        return content


class Network(Api):
    """Neutron's API v2.0."""

    @classmethod
    def as_octavia(cls, session: Session | None = None) -> Network:
        """With the account of OS_USERNAME and its kin, once Keystone lets it in. Raises Failure."""
        (url,) = environment("NETWORK_URL")
        return cls(session or logged_in(), f"{url.rstrip('/')}/v2.0")

    def find(self, collection: str, **query: str) -> list[Entity]:
        """The members of a collection (``security-groups``) in the account's project that match, in a stable order."""
        answer = self.get(collection, project_id=self.project, **query)
        found: list[Entity] = answer[collection.replace("-", "_")]
        return sorted(found, key=lambda one: str(one["id"]))

    def named(self, collection: str, name: str) -> Entity | None:
        """The one of this name. Raises Failure where there are several."""
        found = self.find(collection, name=name)
        if len(found) > 1:
            what = f"there are {len(found)} {collection} called {name} in Octavia's project"
            raise Failure(f"{what}: which is meant, a person must say by renaming the others")
        return found[0] if found else None

    def wanted(self, collection: str, name: str) -> Entity:
        """The one of this name. Raises Absent where it is not made yet."""
        found = self.named(collection, name)
        if found is None:
            raise Absent(f"there is no {name} among Octavia's {collection} yet: the Job octavia-resources makes it")
        return found

    def make(self, collection: str, what: str, attributes: Mapping[str, Any]) -> Entity:
        """A new member of a collection; ``what`` is how it is spoken of."""
        member = collection.replace("-", "_").removesuffix("s")
        made: Entity = self.post(collection, {member: attributes})[member]
        say(f"made {what}")
        return made

    def controllers(self, network: str) -> list[Entity]:
        """The ports of all controllers in a network."""
        return self.find("ports", network_id=network, device_owner=CONTROLLER)
