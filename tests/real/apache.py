"""Apache with a configuration of ours on loopback, as a user without privileges, and a browser to visit it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.real.parts import absent
from tests.real.servers import LOOPBACK, free_port, served

MODULES = Path("/usr/lib/apache2/modules")
PACKAGES = {
    "mod_wsgi.so": "libapache2-mod-wsgi-py3",
    "mod_auth_openidc.so": "libapache2-mod-auth-openidc",
    "mod_oauth2.so": "libapache2-mod-oauth2",
}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def apache2() -> str:
    """The path of Apache, which has all that is needed; else the test ends here."""
    missing = [package for module, package in PACKAGES.items() if not (MODULES / module).is_file()]
    program = shutil.which("apache2", path=PATH)
    if program is None or missing:
        absent(f"Apache or its modules are not installed (Debian: apt-get install {' '.join(['apache2', *missing])})")
    return program


def memcached() -> str:
    """The path of memcached; else the test ends here."""
    return shutil.which("memcached", path=PATH) or absent("memcached is not installed (Debian: apt-get install memcached)")


@contextmanager
def unprivileged_directory() -> Iterator[Path]:
    """A directory that ``nobody`` may write; pytest's own are closed to all but their owner."""
    directory = Path(tempfile.mkdtemp(prefix="stackloom-"))
    directory.chmod(0o777)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def as_nobody(command: list[str]) -> list[str]:
    """The command as a user without privileges, which its caller is already unless it is root."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", *command] if os.geteuid() == 0 else command


def run_apache(configuration: Path, env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Apache's answer to ``arguments`` (``-t``) with this configuration."""
    command = as_nobody([apache2(), *arguments, "-f", str(configuration)])
    return subprocess.run(command, env={"PATH": PATH, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


@contextmanager
def apache_server(configuration: Path, env: Mapping[str, str], port: int, log: Path) -> Iterator[None]:
    """Apache, started as its container starts it."""
    command = as_nobody([apache2(), "-DFOREGROUND", "-f", str(configuration)])
    log.touch()
    log.chmod(0o666)  # Apache opens its standard streams anew, which a container's runtime has given to the container's user
    with served(command, {"PATH": PATH, **env}, port, log):
        yield


@contextmanager
def memcached_server(log: Path) -> Iterator[str]:
    """The address of a memcached."""
    port = free_port()
    with served(as_nobody([memcached(), "-l", LOOPBACK, "-p", str(port)]), {"PATH": PATH}, port, log):
        yield f"{LOOPBACK}:{port}"


@dataclass
class Browser:
    """Somebody who visits ``host`` through an Ingress in front of ``port``."""

    host: str
    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def visit(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        """The answer's status, where it sends the browser, and its body. Redirects are not followed."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        parts = urlsplit(url)
        sent = {"Host": self.host, "Accept": "text/html", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET" if form is None else "POST", target, body=None if form is None else urlencode(form), headers=sent)
        answer = connection.getresponse()
        for value in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(value).items():
                self.cookies[name] = morsel.value
        body = answer.read().decode()
        connection.close()
        return answer.status, answer.headers.get("Location", ""), body

    def environ(self, url: str, **headers: str) -> dict[str, Any]:
        """What the application behind this URL is told, with these headers sent."""
        status, _, body = self.visit(url, headers=headers)
        assert status == 200, body
        told: dict[str, Any] = json.loads(body)
        return told
