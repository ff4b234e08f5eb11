"""Keep who may use a RabbitMQ as a JSON file lists it: its vhosts, users with their permissions, and policies.

    {"vhosts": ["nova"],
     "users": [{"name": "nova", "permissions": {"nova": {"configure": ".*", "write": ".*", "read": ".*"}}}],
     "policies": [{"vhost": "nova", "name": "rpc", "pattern": ".*", "apply-to": "queues", "definition": {"expires": 3600000}}]}

Each user's password is in a file of the user's name in a directory. All this is mounted, and changes while the broker runs.

``rabbitmq.py define LIST PASSWORDS DEFINITIONS ADMINISTRATOR`` writes what the broker loads when it starts, passwords hashed, and
into ADMINISTRATOR the password of a user of its own, which is another for each Pod.

``rabbitmq.py follow LIST PASSWORDS ADMINISTRATOR URL`` compares the broker behind URL with the list, for ever, and brings it up
to date. A user that is not listed is deleted, and its connections end. A vhost that is not listed stays: it may hold messages.
It touches ADMINISTRATOR each time, so that a probe sees it work.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from program import Failure, read_json, run, say

ADMINISTRATOR = "stackloom"
HASHING = "rabbit_password_hashing_sha256"
SALT_BYTES = 4
PERIOD_SECONDS = 5
TIMEOUT_SECONDS = 10

Permissions = dict[str, dict[str, str]]
Policies = dict[tuple[str, str], dict[str, Any]]


class Unavailable(Failure):
    """The broker does not answer, as long as it starts or recovers."""


@dataclass(frozen=True)
class Access:
    """What is wanted: vhosts, permissions by user and vhost, policies by vhost and name, passwords by user.

    A password may come later than the name of its user.
    """

    vhosts: list[str]
    users: dict[str, Permissions]
    policies: Policies
    passwords: dict[str, str]

    @property
    def without_password(self) -> list[str]:
        """The users that cannot be made yet."""
        return sorted(self.users.keys() - self.passwords.keys())


def read_access(path: str, passwords: str) -> Access:
    """The list in the file ``path``, with the passwords in the directory of that name. Raises Failure where it makes no sense."""
    document = read_json(path)
    try:
        users = {user["name"]: user["permissions"] for user in document["users"]}
        policies = {
            (p["vhost"], p["name"]): {"priority": 0, **{k: v for k, v in p.items() if k not in ("vhost", "name")}}
            for p in document["policies"]
        }
        if ADMINISTRATOR in users:
            raise Failure(f"{path}: the user {ADMINISTRATOR} is this program's own")
        return Access(list(document["vhosts"]), users, policies, _passwords(passwords, users))
    except (TypeError, KeyError, AttributeError) as error:
        raise Failure(f"{path} is malformed: {type(error).__name__} {error}") from error


def _passwords(directory: str, users: Mapping[str, Any]) -> dict[str, str]:
    files = {name: Path(directory, name) for name in users}
    found = {name: file.read_text(encoding="utf-8") for name, file in files.items() if file.is_file()}
    return {name: password for name, password in found.items() if password}


def password_hash(password: str, salt: bytes = b"") -> str:
    """A password as RabbitMQ keeps it, with a random salt unless one is given."""
    salt = salt or secrets.token_bytes(SALT_BYTES)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def is_hash_of(password: str, kept: str) -> bool:
    """Whether ``kept`` is this password's."""
    salt = base64.b64decode(kept)[:SALT_BYTES]
    return bool(salt) and secrets.compare_digest(password_hash(password, salt), kept)


def _user(password: str, tags: str = "") -> dict[str, str]:
    return {"password_hash": password_hash(password), "hashing_algorithm": HASHING, "tags": tags}


def definitions(access: Access, administrator: str) -> dict[str, Any]:
    """What the broker loads when it starts; ``administrator`` is the password of this program's user."""
    users = {ADMINISTRATOR: _user(administrator, "administrator")}
    users |= {name: _user(password) for name, password in access.passwords.items()}
    return {
        "vhosts": [{"name": name} for name in access.vhosts],
        "users": [{"name": name, **user} for name, user in users.items()],
        "permissions": [
            {"user": name, "vhost": vhost, **rights} for name in access.passwords for vhost, rights in access.users[name].items()
        ],
        "policies": [{"vhost": vhost, "name": name, **policy} for (vhost, name), policy in access.policies.items()],
    }


@dataclass(frozen=True)
class Broker:
    """The management API of a broker at ``url``. Its methods raise Unavailable, or Failure for what the API refuses."""

    url: str
    password: str

    def get(self, path: str) -> Any:
        """What is there."""
        return self._request("GET", path)

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        """Create it, or replace it."""
        self._request("PUT", path, body)

    def delete(self, path: str) -> None:
        """Remove it."""
        self._request("DELETE", path)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        token = base64.b64encode(f"{ADMINISTRATOR}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/{path}", data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as error:
            refused = Unavailable if error.code in (401, 500, 503) else Failure
            raise refused(f"{method} {path}: {error.code} {error.reason}") from error
        except (OSError, ValueError) as error:
            raise Unavailable(f"the broker does not answer at {self.url}: {getattr(error, 'reason', error)}") from error
        return json.loads(text) if text else None


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def settle(broker: Broker, access: Access) -> Iterator[str]:
    """Make the broker what is wanted, and yield what was done, a line each."""
    kept = {vhost["name"] for vhost in broker.get("vhosts")}
    for vhost in access.vhosts:
        if vhost not in kept:
            broker.put(_path("vhosts", vhost), {})
            yield f"made vhost {vhost}"
    yield from _settle_policies(broker, access)
    yield from _settle_users(broker, access)
    yield from _settle_permissions(broker, access)


def _settle_users(broker: Broker, access: Access) -> Iterator[str]:
    hashes = {user["name"]: user.get("password_hash", "") for user in broker.get("users")}
    for name in sorted(hashes.keys() - access.users.keys() - {ADMINISTRATOR}):
        broker.delete(_path("users", name))
        yield f"deleted user {name}"
    for name, password in access.passwords.items():
        if not is_hash_of(password, hashes.get(name, "")):
            broker.put(_path("users", name), _user(password))
            yield f"{'changed the password of' if name in hashes else 'made'} user {name}"


def _settle_permissions(broker: Broker, access: Access) -> Iterator[str]:
    found = {(p["vhost"], p["user"]): {k: p[k] for k in ("configure", "write", "read")} for p in broker.get("permissions")}
    wanted = {(vhost, name): rights for name in access.passwords for vhost, rights in access.users[name].items()}
    for (vhost, name), rights in wanted.items():
        if found.get((vhost, name)) != rights:
            broker.put(_path("permissions", vhost, name), rights)
            yield f"set what user {name} may do in vhost {vhost}"
    for vhost, name in sorted(found.keys() - wanted.keys()):
        if name in access.passwords:
            broker.delete(_path("permissions", vhost, name))
            yield f"shut user {name} out of vhost {vhost}"


def _settle_policies(broker: Broker, access: Access) -> Iterator[str]:
    found = {(p["vhost"], p["name"]): {k: v for k, v in p.items() if k not in ("vhost", "name")} for p in broker.get("policies")}
    for (vhost, name), policy in access.policies.items():
        if found.get((vhost, name)) != policy:
            broker.put(_path("policies", vhost, name), policy)
            yield f"set policy {name} of vhost {vhost}"
    for vhost, name in sorted(found.keys() - access.policies.keys()):
        if vhost in access.vhosts:
            broker.delete(_path("policies", vhost, name))
            yield f"removed policy {name} of vhost {vhost}"


def abandoned(broker: Broker, access: Access) -> list[str]:
    """The vhosts that are not wanted any more."""
    return sorted({vhost["name"] for vhost in broker.get("vhosts")} - set(access.vhosts))


def define(path: str, passwords: str, target: str, administrator: str) -> None:
    """Write the definitions and the administrator's password, both readable by their owner alone."""
    access, password = read_access(path, passwords), secrets.token_urlsafe(32)
    _write(administrator, password)
    _write(target, json.dumps(definitions(access, password)))
    say(f"defined {len(access.vhosts)} vhosts and {len(access.passwords)} users{_lacking(access)}")


def _write(path: str, text: str) -> None:
    Path(path).unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _lacking(access: Access) -> str:
    names = access.without_password
    return f"; no password yet for {', '.join(names)}" if names else ""


def follow(path: str, passwords: str, administrator: str, url: str) -> None:
    """Keep the broker what the list says, until the Pod ends: if this ended before, the broker would leave its Service."""
    said = ""
    while True:
        try:
            state = _follow_once(path, passwords, administrator, url)
        except Failure as failure:
            state = f"trying again: {failure}"
        if state != said:
            said = state
            say(state)
        time.sleep(PERIOD_SECONDS)


def _follow_once(path: str, passwords: str, administrator: str, url: str) -> str:
    try:
        os.utime(administrator)
        broker = Broker(url, Path(administrator).read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{administrator} cannot be read: {error.strerror}") from error
    access = read_access(path, passwords)
    for done in settle(broker, access):
        say(done)
    left = abandoned(broker, access)
    kept = f"; vhosts that nobody wants and that may hold messages: {', '.join(left)}" if left else ""
    return f"the broker is what {path} lists{_lacking(access)}{kept}"


COMMANDS = {"define": define, "follow": follow}


def main(arguments: list[str]) -> None:
    """Run one of the two commands."""
    if len(arguments) != 5 or arguments[0] not in COMMANDS:
        raise Failure(
            "usage: rabbitmq.py define LIST PASSWORDS DEFINITIONS ADMINISTRATOR | follow LIST PASSWORDS ADMINISTRATOR URL"
        )
    COMMANDS[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    run(main)
