"""Apache on loopback, as a user without privileges, and a browser that visits it through an Ingress."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.real.parts import absent
from tests.real.servers import LOOPBACK, free_port, served

MODULES = Path("/usr/lib/apache2/modules")
PACKAGES = {
    "mod_wsgi.so": "libapache2-mod-wsgi-py3",
    "mod_auth_openidc.so": "libapache2-mod-auth-openidc",
    "mod_oauth2.so": "libapache2-mod-oauth2",
}
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
PYTHON = "/usr/bin/python3"  # of Debian, as mod_wsgi is


def require_apache() -> None:
    """End the test here unless Apache, its modules and memcached are installed."""
    programs = [name for name in ("apache2", "memcached") if not shutil.which(name, path=ENVIRONMENT["PATH"])]
    modules = [package for module, package in PACKAGES.items() if not (MODULES / module).is_file()]
    if programs or modules:
        absent(f"not all of Apache's parts are installed (Debian: apt-get install {' '.join([*programs, *modules])})")


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that anybody may write: pytest's own are closed to all but their owner."""
    directory = Path(tempfile.mkdtemp(prefix="stackloom-"))
    directory.chmod(0o777)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def unprivileged(*command: str) -> list[str]:
    """The command without root's privileges; who runs it has none to give up otherwise."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", *command] if os.geteuid() == 0 else [*command]


def run_unprivileged(*command: str, env: Mapping[str, str]) -> str:
    """What the command said. Fails where the command does."""
    end = subprocess.run(unprivileged(*command), env={**ENVIRONMENT, **env}, capture_output=True, text=True, check=False)
    assert end.returncode == 0, end.stdout + end.stderr
    return end.stdout + end.stderr


@contextmanager
def served_unprivileged(*command: str, env: Mapping[str, str], port: int, log: Path) -> Iterator[None]:
    """Run a program that listens on ``port`` while the context lasts."""
    log.touch()
    log.chmod(0o666)  # Apache opens its standard streams by name: a container's are its user's
    with served(unprivileged(*command), {**ENVIRONMENT, **env}, port, log):
        yield


@contextmanager
def memcached(directory: Path) -> Iterator[str]:
    """The address of a memcached."""
    port = free_port()
    with served_unprivileged("memcached", "-l", LOOPBACK, "-p", str(port), env={}, port=port, log=directory / "memcached.log"):
        yield f"{LOOPBACK}:{port}"


class Answer(NamedTuple):
    """An answer over HTTP: ``where`` it sends the browser, if anywhere."""

    status: int
    where: str
    text: str


@dataclass
class Browser:
    """Somebody who visits ``host`` through an Ingress, behind which each of ``ports`` is a Pod. They take turns."""

    host: str
    ports: Sequence[int]
    cookies: dict[str, str] = field(default_factory=dict)
    visits: int = 0

    def visit(self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer. Redirections are not followed."""
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        sent = {"Host": self.host, "Accept": "text/html", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
        sent |= {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        sent |= {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        connection = http.client.HTTPConnection(LOOPBACK, self.ports[self.visits % len(self.ports)], timeout=30)
        self.visits += 1
        connection.request("POST" if form else "GET", path, urlencode(form) if form else None, {**sent, **(headers or {})})
        with connection.getresponse() as answer:
            for cookie in answer.headers.get_all("Set-Cookie", []):
                self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}
            text = answer.read().decode()
        connection.close()
        return Answer(answer.status, answer.headers.get("Location", ""), text)

    def told(self, url: str, **headers: str) -> dict[str, Any]:
        """What the application is told of this visit."""
        answer = self.visit(url, headers=headers)
        assert answer.status == 200, answer.text
        told: dict[str, Any] = json.loads(answer.text)
        return told
