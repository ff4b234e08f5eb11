"""Keystone's API, as the cloud's administrator: what the programs that write to Keystone share. Needs keystoneauth1.

Requests go to OS_AUTH_URL itself, not to what the catalogue says, because the catalogue is among what is being written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from keystoneauth1 import exceptions
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from program import Failure, environment, patiently, say

Entity = dict[str, Any]

PATIENCE_SECONDS = 300
REQUEST_SECONDS = 60


class Refused(Failure):
    """Keystone refused a request."""


class Absent(Refused):
    """There is no such thing in Keystone."""


class Exists(Refused):
    """There is such a thing in Keystone already."""


class Away(Failure):
    """Keystone does not answer, or cannot answer now."""


class Keystone:
    """The Identity API v3, with the rights of one account.

    Paths are relative to ``/v3``. Methods raise Absent, Exists or Refused for what Keystone says no to, Away where it says
    nothing; reading is tried again while it is away, writing is not: the next run finds out how far this one came.
    """

    def __init__(self, session: Session, url: str) -> None:
        """``url`` is that of the API, with or without ``/v3``."""
        self._session = session
        self._url = f"{url.rstrip('/').removesuffix('/v3')}/v3"

    @classmethod
    def as_admin(cls) -> Keystone:
        """With the account of OS_USERNAME and its kin, once Keystone lets it in. Raises Failure."""
        (url,) = environment("OS_AUTH_URL")
        return cls(logged_in(), url)

    def accepts(self, username: str, password: str, domain_id: str) -> bool:
        """Whether this account may log in with this password. A "no" counts against it where attempts are limited."""
        auth = v3.Password(auth_url=self._url, username=username, password=password, user_domain_id=domain_id, unscoped=True)
        try:
            _session(auth).get_token()
        except exceptions.Unauthorized:
            return False
        except exceptions.ClientException as error:
            raise Away(f"Keystone at {self._url}: {error}") from error
        return True

    def find(self, collection: str, **query: str) -> list[Entity]:
        """The members of a collection (``roles``, ``OS-FEDERATION/mappings``) that match the query, in a stable order."""
        answer = patiently(lambda: self._request("GET", collection, query=query), Away, seconds=PATIENCE_SECONDS)
        members: list[Entity] = answer[collection.rpartition("/")[2]]
        return sorted(members, key=lambda member: str(member.get("id", "")))

    def get(self, path: str) -> Entity:
        """The answer to a GET."""
        return patiently(lambda: self._request("GET", path), Away, seconds=PATIENCE_SECONDS)

    def post(self, path: str, body: Mapping[str, Any]) -> Entity:
        """The answer to a POST."""
        return self._request("POST", path, body)

    def put(self, path: str, body: Mapping[str, Any] | None = None) -> Entity:
        """The answer to a PUT."""
        return self._request("PUT", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Entity:
        """The answer to a PATCH."""
        return self._request("PATCH", path, body)

    def delete(self, path: str) -> None:
        """Delete what is there; what is not there is as good as deleted."""
        try:
            self._request("DELETE", path)
        except Absent:
            return

    def ensure(self, member: str, attributes: Mapping[str, Any], **query: str) -> Entity:
        """The one ``member`` ("role") that matches the query, made with ``attributes`` beside these if there is none.

        Somebody else may make it at the same moment: then theirs is returned.
        """
        named = f"{member} {query['name']}"
        for _ in range(2):
            if found := self.find(f"{member}s", **query):
                return found[0]
            try:
                made: Entity = self.post(f"{member}s", {member: {**query, **attributes}})[member]
            except Exists:
                continue
            say(f"created {named}")
            return made
        raise Failure(f"Keystone says that {named} exists, and does not show it")

    def settle(self, member: str, found: Entity, wanted: Mapping[str, Any], *, path: str = "", name: str = "") -> None:
        """Patch those attributes of an entity that differ from the wanted ones."""
        differing = {key: value for key, value in wanted.items() if found.get(key) != value}
        if differing:
            self.patch(f"{path or f'{member}s'}/{found['id']}", {member: differing})
            say(f"updated {member} {name or found.get('name') or found['id']}: {', '.join(sorted(differing))}")

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Entity:
        try:
            answer = self._session.request(
                f"{self._url}/{path}", method, json=body, params=dict(query or {}), headers={"Accept": "application/json"}
            )
        except exceptions.HttpError as error:
            raise _failure(f"{method} /v3/{path}", error) from error
        except exceptions.ClientException as error:
            raise Away(f"Keystone at {self._url}: {error}") from error
        content: Entity = answer.json() if answer.content else {}
        return content


def logged_in() -> Session:
    """A session with the account of OS_USERNAME and its kin, once Keystone lets it in. Raises Failure."""
    url, username, password, project = environment("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME")
    auth = v3.Password(
        auth_url=url,
        username=username,
        password=password,
        project_name=project,
        user_domain_name=os.environ.get("OS_USER_DOMAIN_NAME", "Default"),
        project_domain_name=os.environ.get("OS_PROJECT_DOMAIN_NAME", "Default"),
    )
    session = _session(auth)

    def log_in() -> None:
        try:
            session.get_token()
        except exceptions.Unauthorized as error:
            raise Refused(f"Keystone does not let {username} in: {error.message}") from error
        except exceptions.ClientException as error:
            raise Away(f"Keystone at {url}: {error}") from error

    patiently(log_in, Away, seconds=PATIENCE_SECONDS)
    return session


def _session(auth: v3.Password) -> Session:
    return Session(auth=auth, verify=os.environ.get("OS_CACERT") or True, timeout=REQUEST_SECONDS, app_name="stackloom")


def _failure(what: str, error: exceptions.HttpError) -> Failure:
    status = error.http_status
    text = f"{what}: {error.message} ({status})"
    kinds = {404: Absent, 409: Exists}
    # A lone 500 may be a defect, and asking again would hide it; these three say that nobody is there to answer.
    return Away(text) if status in (502, 503, 504) else kinds.get(status, Refused)(text)
