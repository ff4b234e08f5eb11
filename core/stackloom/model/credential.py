"""Secrets, described: what each key is and how it is made. No value of one ever passes through here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["password", "hex", "fernet", "text", "public", "copy", "certificate", "certificate-key"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """How one key of a Secret is made.

    ``password``: ``length`` characters of [A-Za-z0-9], so that it needs no quoting in URLs, INI files and SQL;
    ``hex``: ``length`` random bytes; ``fernet``: a Fernet key; ``text``: ``text`` as it stands (a user's name);
    ``public``: ``text``, kept equal to it (a certificate); ``copy``: the value of ``source`` (Secret, key), kept equal to it;
    ``certificate`` and ``certificate-key``: a self-signed pair for the DNS names in ``text``, separated by commas.
    """

    kind: Kind
    length: int = 32
    text: str = ""
    source: tuple[str, str] = ("", "")

    @classmethod
    def password(cls, length: int = 32) -> Value:
        """A random password that is safe in a URL."""
        return cls(kind="password", length=length)

    @classmethod
    def hex(cls, length: int = 32) -> Value:
        """``length`` random bytes, written in hexadecimal."""
        return cls(kind="hex", length=length)

    @classmethod
    def fernet(cls) -> Value:
        """A Fernet key: 32 random bytes in URL-safe Base64."""
        return cls(kind="fernet")

    @classmethod
    def constant(cls, text: str) -> Value:
        """A value that is no secret but belongs beside one, like the name of a user."""
        return cls(kind="text", text=text)

    @classmethod
    def copied(cls, secret: str, key: str) -> Value:
        """The value of another Secret's key."""
        return cls(kind="copy", source=(secret, key))


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """A Secret that the cloud needs.

    ``readers`` may refer to it: names of components (``keystone``), or ``task:<task>`` for Jobs of that task in any
    component (``task:catalogue``). ``seeded`` marks a Secret whose keys change after it was made (key repositories that are
    rotated in the cluster): it is made whole when it is absent, and left alone ever after.
    """

    name: str
    keys: Mapping[str, Value]
    readers: frozenset[str]
    seeded: bool = False
    type: str = "Opaque"


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretKey:
    """A reference to one key of a Secret."""

    secret: str
    key: str
