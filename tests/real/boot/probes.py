"""Probes of a container, asked as a kubelet asks them: in turns, and a number of answers in a row decides.

Until a probe passes it is asked more often, for a test waits for that; from then on in its own turns, which many Pods share two
cores for.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field

from tests.real.boot.container import Container
from tests.real.cluster import Object

KUBELET = {"User-Agent": "kube-probe/1.37", "Connection": "close"}
IMPATIENT_PERIOD = 1.0  # seconds


@dataclass
class Probe:
    """One probe. ``passes`` is None until as many answers in a row as it takes have been the same."""

    container: Container
    body: Object
    address: str
    passes: bool | None = None
    answer: str = "not asked"
    _row: tuple[bool, int] = (False, 0)
    _asked: float = 0.0
    _pending: Future[str] | None = field(default=None, repr=False)

    @property
    def _period(self) -> float:
        """Seconds between two questions."""
        own = float(self.body.get("periodSeconds", 10))
        return own if self.passes else min(own, IMPATIENT_PERIOD)

    def _enough(self, good: bool) -> int:
        """How many answers in a row decide: those that fail for as many seconds as they would in the probe's own turns."""
        if good:
            return int(self.body.get("successThreshold", 1))
        return round(int(self.body.get("failureThreshold", 3)) * float(self.body.get("periodSeconds", 10)) / self._period)

    def step(self, executor: Executor) -> None:
        """Ask if it is time to, or take the answer if there is one."""
        if self._pending is None:
            now = time.monotonic()
            waited = now - self.container.started >= self.body.get("initialDelaySeconds", 0)
            if waited and now - self._asked >= self._period:
                self._asked, self._pending = now, executor.submit(self._ask)
        elif self._pending.done():
            failure = self._pending.result()
            self._pending = None
            good = not failure
            self._row = (good, self._row[1] + 1 if self._row[0] == good else 1)
            self.answer = failure or self.what
            if self._row[1] >= self._enough(good):
                self.passes = good

    @property
    def what(self) -> str:
        """What it asks, in a few words."""
        match self.body:
            case {"httpGet": get}:
                return f"GET :{self._port(get)}{get['path']}"
            case {"tcpSocket": to}:
                return f"connect :{self._port(to)}"
            case {"exec": run}:
                return " ".join(run["command"])
        raise NotImplementedError(f"probe of {self.container.name}: {sorted(self.body)}")

    def _port(self, to: Object) -> int:
        ports = {port.get("name"): port["containerPort"] for port in self.container.body.get("ports") or ()}
        return int(ports[to["port"]] if to["port"] in ports else to["port"])

    def _ask(self) -> str:
        """Why the answer is no; "" if it is yes."""
        seconds = float(self.body.get("timeoutSeconds", 1))
        try:
            match self.body:
                case {"httpGet": get}:
                    return self._get(get, seconds)
                case {"tcpSocket": to}:
                    socket.create_connection((self.address, self._port(to)), timeout=seconds).close()
                    return ""
                case {"exec": run}:
                    end = self.container.run(run["command"], timeout=seconds)
                    return "" if end.returncode == 0 else f"status {end.returncode}: {(end.stdout + end.stderr).strip()[-200:]}"
        except (OSError, http.client.HTTPException, LookupError, subprocess.TimeoutExpired) as error:
            return f"{type(error).__name__}: {error}"
        raise NotImplementedError(f"probe of {self.container.name}: {sorted(self.body)}")

    def _get(self, get: Object, seconds: float) -> str:
        connection = http.client.HTTPConnection(self.address, self._port(get), timeout=seconds)
        try:
            connection.request("GET", get["path"], headers=KUBELET)
            status = connection.getresponse().status
            return "" if 200 <= status < 400 else f"HTTP status {status}"
        finally:
            with suppress(OSError):
                connection.close()
