"""What the servers' agents say, as the controller asks them: each beside its server, on the Pod's address.

A server that is cut off is known to the others long before Kubernetes takes notice. An agent that does not answer says nothing:
neither that its server lives nor that it does not.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from mariadb_roles import Answer, Pod, answer_of

TIMEOUT_SECONDS = 1.0
DRAIN_SECONDS = 5.0
RETRY_SECONDS = 1.0
# Older answers say nothing: that is three rounds of asking.
FRESH_SECONDS = 3.0


@dataclass
class Agents:
    """The agents, on ``port`` of their Pods. ``changed`` is called, from any thread, when there is something new to look at."""

    port: int
    changed: Callable[[], None]
    _answers: dict[str, tuple[float, Answer]] = field(default_factory=dict)
    _drains: dict[str, Future[str]] = field(default_factory=dict)
    _asking: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))
    _draining: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    def answers(self) -> dict[str, Answer]:
        """The latest answers by the Pods' uids."""
        oldest = time.monotonic() - FRESH_SECONDS
        return {uid: answer for uid, (at, answer) in list(self._answers.items()) if at > oldest}

    def ask(self, pods: Sequence[Pod]) -> None:
        """Ask the agents of all these Pods at once, and keep what they answer."""
        for uid in self._answers.keys() - {pod.uid for pod in pods}:
            self._answers.pop(uid, None)
        list(self._asking.map(self._ask, (pod for pod in pods if pod.address)))

    def _ask(self, pod: Pod) -> None:
        try:
            answer = answer_of(json.loads(self._call(pod, "GET", "/state", TIMEOUT_SECONDS)), pod)
        except (OSError, http.client.HTTPException, ValueError):
            answer = None
        before = self.answers().get(pod.uid)
        if answer:
            self._answers[pod.uid] = (time.monotonic(), answer)
        else:
            self._answers.pop(pod.uid, None)
        if answer != before:
            self.changed()

    def drain(self, pod: Pod) -> str | None:
        """Have the clients of this Pod sent away: "" when that is done, None as long as it is under way, or why it failed.

        Call it again for the result; after a failure that begins anew.
        """
        task = self._drains.get(pod.uid)
        if task is None:
            self._drains[pod.uid] = self._draining.submit(self._drain, pod)
            self._drains[pod.uid].add_done_callback(lambda _: self.changed())
            return None
        if not task.done():
            return None
        del self._drains[pod.uid]
        return task.result()

    def _drain(self, pod: Pod) -> str:
        try:
            self._call(pod, "POST", "/demoted", DRAIN_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            time.sleep(RETRY_SECONDS)
            return str(error) or type(error).__name__
        return ""

    def _call(self, pod: Pod, method: str, path: str, timeout: float) -> Any:
        connection = http.client.HTTPConnection(pod.address, self.port, timeout=timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT):
            raise http.client.HTTPException(f"{path} answers {response.status}")
        return text
