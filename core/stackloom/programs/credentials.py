"""Make the cloud's secrets: the provider ``generated``.

Reads the path of a JSON file that lists credentials,

    [{"name": SECRET, "type": "Opaque", "seeded": false, "keys": {KEY: {"kind": "password", "length": 32}}}]

creates the Secrets that are absent and adds the keys that are missing. A value that exists is never overwritten, but for three
kinds: a ``copy`` follows its source, what is ``public`` follows the file, and a ``template`` follows the file and the keys that
it is composed of. Certificates come from authorities of ours, and are issued anew when they are not what is wanted, or soon
expire: whoever trusts the authority takes either. A ``text`` (a user's name) that differs from what is wanted is an error,
because both may be in use. A ``seeded`` Secret is made whole and left alone ever after. Any number of these may run at the same
time.

Its Role needs get, create and patch on secrets. Certificates need the package ``cryptography``, nothing else does.
"""

from __future__ import annotations

import base64
import re
import secrets
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import Any

from kube import SECRETS, Conflict, Kube, NotFound, Object, Unavailable
from program import Failure, patiently, read_json, run, say

ALPHABET = string.ascii_letters + string.digits
LABELS = {"app.kubernetes.io/managed-by": "stackloom", "app.kubernetes.io/part-of": "openstack"}
ATTEMPTS = 10
PATIENCE_SECONDS = 120

Data = dict[str, bytes]
Source = Callable[[str, str], bytes]


class Contradiction(Failure):
    """A Secret holds what it must not hold, and a person has to decide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """How the value of a key is made; see stackloom.model.credential.Value."""

    kind: str
    length: int = 32
    text: str = ""
    source: tuple[str, str] = ("", "")
    usages: tuple[str, ...] = ("server",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """A Secret and its keys."""

    name: str
    keys: Mapping[str, Value]
    type: str = "Opaque"
    seeded: bool = False

    @property
    def sources(self) -> list[str]:
        """The other Secrets that it copies from, or whose authority issues its certificates."""
        return sorted({value.source[0] for value in self.keys.values()} - {"", self.name})


def read_credentials(document: Any) -> list[Credential]:
    """The credentials of the JSON document, each after those that it copies from. Raises Failure where it makes no sense."""
    try:
        parsed = {
            c["name"]: Credential(
                name=c["name"],
                type=c.get("type", "Opaque"),
                seeded=c.get("seeded", False),
                keys={key: _value(v) for key, v in c["keys"].items()},
            )
            for c in document
        }
    except (TypeError, KeyError, AttributeError) as error:
        raise Failure(f"the list of credentials is malformed: {type(error).__name__} {error}") from error
    for credential in parsed.values():
        _check(credential)
    try:
        order = TopologicalSorter({c.name: c.sources for c in parsed.values()}).static_order()
        return [parsed[name] for name in order if name in parsed]
    except CycleError as error:
        raise Failure(f"these Secrets copy from each other in a circle: {', '.join(error.args[1])}") from error


def _value(described: Mapping[str, Any]) -> Value:
    lists = {name: tuple(described[name]) for name in ("source", "usages") if name in described}
    return Value(**{**described, **lists})


def _check(credential: Credential) -> None:
    known = {*MAKERS, "public", "copy", "template", *PAIRS, *PAIRS.values()}
    unknown = {value.kind for value in credential.keys.values()} - known
    if unknown:
        raise Failure(f"Secret {credential.name}: unknown kind of value: {', '.join(sorted(unknown))}")
    plain = {key for key, value in credential.keys.items() if value.kind != "template"}
    for key in _of_kind(credential, "template"):
        if strangers := {part.decode() for part in PART.findall(credential.keys[key].text.encode())} - plain:
            raise Failure(f"Secret {credential.name}: {key} is composed of what is not there: {', '.join(sorted(strangers))}")
    if any(len(_of_kind(credential, certificate)) != len(_of_kind(credential, key)) for certificate, key in PAIRS.items()):
        raise Failure(f"Secret {credential.name}: a certificate and its key belong into one Secret")
    for key in _of_kind(credential, "certificate"):
        if not credential.keys[key].source[0]:
            raise Failure(f"Secret {credential.name}: {key} names no Secret with the authority that issues it")


# Where a template has the value of another key.
PART = re.compile(rb"\$\(([-._a-zA-Z0-9]+)\)")

# Made together or not at all, each certificate with its private key.
PAIRS = {"authority": "authority-key", "certificate": "certificate-key"}

MAKERS: Mapping[str, Callable[[Value], bytes]] = {
    "password": lambda v: "".join(secrets.choice(ALPHABET) for _ in range(v.length)).encode(),
    "hex": lambda v: secrets.token_hex(v.length).encode(),
    "fernet": lambda _: base64.urlsafe_b64encode(secrets.token_bytes(32)),
    "text": lambda v: v.text.encode(),
}


def changes(credential: Credential, data: Mapping[str, bytes], source: Source) -> Data:
    """The keys to write, given what the Secret holds now.

    ``source`` gives the value of another Secret's key. Raises Contradiction where writing would need to overwrite.
    """
    wanted: Data = {}
    for key, value in credential.keys.items():
        if value.kind == "copy":
            original = wanted.get(value.source[1]) if value.source[0] == credential.name else None
            copy = source(*value.source) if original is None else original
            wanted |= {} if data.get(key) == copy else {key: copy}
        elif value.kind == "public":
            wanted |= {} if data.get(key) == value.text.encode() else {key: value.text.encode()}
        elif value.kind == "text" and data.get(key, value.text.encode()) != value.text.encode():
            raise Contradiction(
                f"Secret {credential.name}: {key} is not {value.text!r}; give the old name back in the deployment, "
                f"or delete the key to have it made anew"
            )
        elif value.kind in MAKERS and key not in data:
            wanted[key] = MAKERS[value.kind](value)
    for kind, key_kind in PAIRS.items():
        for certificate, key in zip(_of_kind(credential, kind), _of_kind(credential, key_kind), strict=True):
            wanted |= _pair_changes(credential, data, certificate, key, source)
    held = {**data, **wanted}
    for key in _of_kind(credential, "template"):
        whole = PART.sub(lambda part: held[part[1].decode()], credential.keys[key].text.encode())
        wanted |= {} if data.get(key) == whole else {key: whole}
    return wanted


def _of_kind(credential: Credential, kind: str) -> list[str]:
    return [key for key, value in credential.keys.items() if value.kind == kind]


def _pair_changes(credential: Credential, data: Mapping[str, bytes], certificate: str, key: str, source: Source) -> Data:
    """The certificate to write with its key, or nothing."""
    import certificates  # noqa: PLC0415  # the package behind it is not in every image

    value = credential.keys[certificate]
    present = [part for part in (certificate, key) if part in data]
    if len(present) == 1:
        raise Contradiction(f"Secret {credential.name} holds {present[0]} without its counterpart; add that, or delete it")
    if value.kind == "authority":
        made = None if present else certificates.authority(value.text)
    else:
        issuer = value.source[0]
        names = [name.strip() for name in value.text.split(",") if name.strip()]
        trusted = source(issuer, "ca.crt")
        if present and not certificates.needs_renewal(data[certificate], names, value.usages, trusted):
            return {}
        try:
            made = certificates.issued(names, value.usages, (trusted, source(issuer, "ca.key")))
        except ValueError as error:
            raise Contradiction(f"Secret {issuer} holds no authority that can issue {credential.name}: {error}") from error
    return dict(zip((certificate, key), made, strict=True)) if made else {}


def body_of(credential: Credential, data: Mapping[str, bytes], namespace: str) -> Object:
    """The Secret as an object of the API."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": credential.name, "namespace": namespace, "labels": LABELS},
        "type": credential.type,
        "data": _encoded(data),
    }


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def _decoded(body: Object) -> Data:
    return {key: base64.b64decode(value) for key, value in (body.get("data") or {}).items()}


class Vault:
    """The Secrets of one namespace."""

    def __init__(self, api: Kube) -> None:
        """``api`` is where they are."""
        self._api = api

    def value(self, secret: str, key: str) -> bytes:
        """One key of a Secret. Raises Contradiction where it is absent."""
        try:
            return _decoded(self._api.get(SECRETS, secret))[key]
        except (NotFound, KeyError) as error:
            raise Contradiction(f"Secret {secret} has no key {key}, which others are made from") from error

    def settle(self, credential: Credential) -> str:
        """Make the Secret what it should be; what was done, or "" for nothing. Raises Contradiction."""
        for _ in range(ATTEMPTS):
            try:
                return self._settle(credential)
            except Conflict:
                continue  # somebody else wrote it since it was read: read it again
        raise Failure(f"Secret {credential.name} was changed by others {ATTEMPTS} times while it was being filled")

    def _settle(self, credential: Credential) -> str:
        try:
            present = self._api.get(SECRETS, credential.name)
        except NotFound:
            made = changes(credential, {}, self.value)
            self._api.create(SECRETS, body_of(credential, made, self._api.namespace))
            return f"created with {_listed(made)}"
        if credential.seeded:
            return ""
        if present.get("type", "Opaque") != credential.type:
            raise Contradiction(f"Secret {credential.name} is of type {present['type']}, not {credential.type}; delete it")
        data = _decoded(present)
        wanted = changes(credential, data, self.value)
        if not wanted:
            return ""
        version = present["metadata"]["resourceVersion"]
        self._api.patch(SECRETS, credential.name, {"metadata": {"resourceVersion": version}, "data": _encoded(wanted)})
        return f"{'updated' if wanted.keys() & data.keys() else 'filled'} {_listed(wanted)}"


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys)) or "no keys"


def settle_all(vault: Vault, credentials: Sequence[Credential]) -> None:
    """Settle every credential; those that contradict do not keep the others from being made. Raises Failure at the end."""
    problems = 0
    untouched = 0
    for credential in credentials:
        try:
            done = patiently(partial(vault.settle, credential), Unavailable, seconds=PATIENCE_SECONDS)
        except Contradiction as contradiction:
            problems += 1
            say(f"problem: {contradiction}")
            continue
        untouched += not done
        if done:
            say(f"Secret {credential.name}: {done}")
    say(f"{len(credentials)} Secrets, {untouched} left as they were")
    if problems:
        raise Failure(f"{problems} of {len(credentials)} Secrets need a decision: see the problems above")


def main(arguments: list[str]) -> None:
    """Settle the credentials that the file of the first argument lists."""
    if len(arguments) != 1:
        raise Failure("usage: credentials.py FILE")
    settle_all(Vault(Kube.in_cluster()), read_credentials(read_json(arguments[0])))


if __name__ == "__main__":
    run(main)
