"""Cinder's API, with the rights of one account: what the programs that talk to it share. Needs keystoneauth1.

VOLUME_URL is that of the API, ``http://cinder-api:8776/v3``: not what the catalogue says, which may not be written yet.
"""

from __future__ import annotations

from typing import Any

from identity import PATIENCE_SECONDS, logged_in
from keystoneauth1 import exceptions
from program import Failure, environment, patiently

Entity = dict[str, Any]


class Away(Failure):
    """Cinder does not answer, or cannot answer now."""


class Volumes:
    """The Block Storage API v3, as the account of OS_USERNAME. It is asked again while it is away; a refusal is a Failure."""

    def __init__(self) -> None:
        (self._url,) = environment("VOLUME_URL")
        self._session = logged_in()

    def get(self, path: str) -> Entity:
        """The answer to a GET."""
        return patiently(lambda: self._ask("GET", path), Away, seconds=PATIENCE_SECONDS)

    def post(self, path: str, body: Entity) -> Entity:
        """The answer to a POST."""
        return patiently(lambda: self._ask("POST", path, body), Away, seconds=PATIENCE_SECONDS)

    def _ask(self, method: str, path: str, body: Entity | None = None) -> Entity:
        try:
            answer: Entity = self._session.request(f"{self._url}/{path}", method, json=body).json()
        except exceptions.HttpError as error:
            text = f"{method} {path}: {error.message} ({error.http_status})"
            raise (Away if error.http_status in (502, 503, 504) else Failure)(text) from error
        except exceptions.ClientException as error:
            raise Away(f"Cinder at {self._url}: {error}") from error
        return answer
