"""Make the pools and users that services need in Ceph, and the Secrets with which they log in.

Reads the path of a JSON file,

    {"rook": NAMESPACE, or "monitors": [HOST:PORT, ...] with "keyring": PATH,
     "pools": [POOL, ...], "application": "rbd", "size": 3,
     "users": [{"name": "glance", "kept_in": SECRET, "pools": [POOL, ...], "reads": [POOL, ...]},
               {"name": "rgw", ..., "rights": {"mon": "allow rw", ...}}]}

makes what is absent, and gives each user the rights on its pools, or those that are given whole, no more and no less. Neither
a pool nor a user is ever removed: what becomes of the data is for a person to decide. Without "size", pools keep the number of
copies that they have. Any number of these may run at the same time, as often as one likes.

Runs where the program ``ceph`` is. Its Role needs get, create and patch on secrets; with Rook also, in Rook's namespace, get on
the ConfigMap and the Secret named below.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from kube import CONFIG_MAPS, SECRETS, Conflict, Kube, NotFound, Object, Unavailable
from program import Failure, patiently, read_json, run, say

ROOK_MONITORS, ROOK_ADMIN = "rook-ceph-mon-endpoints", "rook-ceph-mon"
LABELS = {"app.kubernetes.io/managed-by": "stackloom", "app.kubernetes.io/part-of": "openstack"}
PATIENCE_SECONDS = 300
CONNECT_SECONDS = 20
# What the program `ceph` ends with where there is no such user or pool.
ABSENT = 2


class CephError(Failure):
    """Ceph did not do what it was asked to, or was not reached. Asking again may help."""


class Absent(CephError):
    """There is no such user or pool."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Where the monitors are, and the keyring of an administrator: the text, with the user's name (``client.admin``)."""

    monitors: Sequence[str]
    keyring: str
    user: str


def configuration(monitors: Sequence[str]) -> str:
    """ceph.conf of a client: what else there is to know, the monitors tell. There is no directory for logs in containers."""
    return f"[global]\nmon_host = {','.join(monitors)}\n\n[client]\nlog_to_file = false\n"


def keyring_of(user: str, key: str) -> str:
    """A keyring with one user."""
    return f"[{user}]\n\tkey = {key}\n"


def user_in(keyring: str) -> str:
    """The first user of a keyring."""
    match = re.search(r"^\s*\[(client\.[^\]\s]+)\]", keyring, re.MULTILINE)
    if match is None:
        raise Failure("the administrator's keyring names no user: it must hold what `ceph auth get client.admin` prints")
    return match[1]


def capabilities(pools: Sequence[str], reads: Sequence[str]) -> dict[str, str]:
    """The rights of a user on the pools that it works in and on those that it only reads."""
    works = [f"profile rbd pool={pool}" for pool in pools]
    osd = ", ".join([*works, *(f"profile rbd-read-only pool={pool}" for pool in reads)])
    return {"mon": "profile rbd", **({"osd": osd} if osd else {}), **({"mgr": ", ".join(works)} if works else {})}


class Ceph:
    """The cluster, as its administrator."""

    def __init__(self, access: Access, directory: Path) -> None:
        """``directory`` is where the files that the program needs may be written."""
        config, keyring = directory / "ceph.conf", directory / "keyring"
        config.write_text(configuration(access.monitors), encoding="utf-8")
        keyring.touch(mode=0o600)
        keyring.write_text(access.keyring, encoding="utf-8")
        self._command = ["ceph", "--conf", str(config), "--name", access.user, "--keyring", str(keyring)]
        self._command += ["--connect-timeout", str(CONNECT_SECONDS), "--format", "json"]

    def ask(self, *words: str) -> Any:
        """The answer to a command. Raises Absent, or CephError for whatever else Ceph objects to."""
        ended = subprocess.run(  # noqa: S603
            [*self._command, *words], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        if ended.returncode:
            # Of its lines the last says what is wrong; answers, in which keys stand, go to the other stream.
            lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
            said = lines[-1] if lines else f"it ended with {ended.returncode}"
            kind = Absent if ended.returncode == ABSENT else CephError
            raise kind(f"ceph {' '.join(words[:3])}: {said}")
        return json.loads(ended.stdout) if ended.stdout.strip() else None

    def settle_pool(self, name: str, application: str, size: int | None) -> None:
        """Make the pool if it is absent; mark it, and have it keep ``size`` copies if that is given."""
        if name not in self.ask("osd", "pool", "ls"):
            # Its number of placement groups grows with what is in it.
            self.ask("osd", "pool", "create", name, "--autoscale-mode=on")
            say(f"pool {name}: created")
        marks = self.ask("osd", "pool", "application", "get", name)
        if application not in marks:
            if marks:
                message = f"pool {name} is marked for {', '.join(sorted(marks))}, not for {application}"
                raise Failure(f"{message}: name another pool in spec.features.ceph.pools, or mark it yourself")
            self.ask("osd", "pool", "application", "enable", name, application)
            say(f"pool {name}: marked for {application}")
        if size is not None and (now := self.ask("osd", "pool", "get", name, "size")["size"]) != size:
            self.ask("osd", "pool", "set", name, "size", str(size))
            say(f"pool {name}: {size} copies instead of {now}")

    def settle_user(self, name: str, wanted: Mapping[str, str]) -> str:
        """Make the user if it is absent, with these rights and no others. Its key."""
        user, rights = f"client.{name}", [word for pair in sorted(wanted.items()) for word in pair]
        try:
            (found,) = self.ask("auth", "get", user)
        except Absent:
            (found,) = self.ask("auth", "get-or-create", user, *rights)
            say(f"user {user}: created")
            return str(found["key"])
        if found["caps"] != wanted:
            self.ask("auth", "caps", user, *rights)
            say(f"user {user}: has {json.dumps(dict(wanted))} now; had {json.dumps(found['caps'])}")
        return str(found["key"])


def rook_access(kube: Kube, namespace: str) -> Access:
    """What Rook keeps of its cluster."""
    rook = replace(kube, namespace=namespace)
    endpoints = (rook.get(CONFIG_MAPS, ROOK_MONITORS).get("data") or {}).get("data", "")
    monitors = sorted(entry.partition("=")[2] for entry in endpoints.split(",") if "=" in entry)
    if not monitors:
        raise Unavailable(f"the ConfigMap {ROOK_MONITORS} in namespace {namespace!r} names no monitor yet")
    data = {k: base64.b64decode(v).decode() for k, v in (rook.get(SECRETS, ROOK_ADMIN).get("data") or {}).items()}
    user, key = data.get("ceph-username", ""), data.get("ceph-secret", "")
    if not (user.startswith("client.") and key):
        raise Unavailable(f"the Secret {ROOK_ADMIN} in namespace {namespace!r} holds no user and key yet")
    return Access(monitors=monitors, keyring=keyring_of(user, key), user=user)


def outside_access(monitors: Sequence[str], path: str) -> Access:
    """A cluster that the deployment names."""
    try:
        keyring = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    return Access(monitors=monitors, keyring=keyring if keyring.endswith("\n") else f"{keyring}\n", user=user_in(keyring))


def settle_secret(kube: Kube, name: str, data: Mapping[str, str]) -> None:
    """Make the Secret hold ``data``."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    try:
        present = kube.get(SECRETS, name)
    except NotFound:
        body: Object = {"metadata": {"name": name, "namespace": kube.namespace, "labels": LABELS}, "data": encoded}
        try:
            kube.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", **body})
        except Conflict:  # another of these was faster
            kube.patch(SECRETS, name, {"data": encoded})
        say(f"Secret {name}: created")
        return
    changed = sorted(key for key, value in encoded.items() if (present.get("data") or {}).get(key) != value)
    if changed:
        kube.patch(SECRETS, name, {"data": {key: encoded[key] for key in changed}})
        say(f"Secret {name}: {', '.join(changed)} written anew")


def main(arguments: list[str]) -> None:
    """Settle all that the file of the first argument wants."""
    if len(arguments) != 1:
        raise Failure("usage: ceph_clients.py FILE")
    wanted, kube = read_json(arguments[0]), Kube.in_cluster()
    if "rook" in wanted:
        # Rook may be about to come, and so may our Role in its namespace.
        access = patiently(partial(rook_access, kube, wanted["rook"]), Failure, seconds=PATIENCE_SECONDS)
    else:
        access = outside_access(wanted["monitors"], wanted["keyring"])
    with tempfile.TemporaryDirectory() as directory:
        ceph = Ceph(access, Path(directory))
        patiently(partial(ceph.ask, "fsid"), CephError, seconds=PATIENCE_SECONDS, pause=5)
        for pool in wanted["pools"]:
            ceph.settle_pool(pool, wanted["application"], wanted.get("size"))
        for user in wanted["users"]:
            rights = user.get("rights") or capabilities(user["pools"], user["reads"])
            key = ceph.settle_user(user["name"], rights)
            data = {
                "ceph.conf": configuration(access.monitors),
                "keyring": keyring_of(f"client.{user['name']}", key),
                "key": key,
            }
            patiently(partial(settle_secret, kube, user["kept_in"], data), Unavailable, seconds=PATIENCE_SECONDS)
    say(f"{len(wanted['pools'])} pools and {len(wanted['users'])} users are as wanted")


if __name__ == "__main__":
    run(main)
