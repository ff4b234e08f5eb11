"""Secrets, described: what each key is and how it is made. No value of one ever passes through here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from stackloom.errors import Problem, StackloomError, did_you_mean

Kind = Literal[
    "password",
    "hex",
    "fernet",
    "text",
    "public",
    "copy",
    "template",
    "authority",
    "authority-key",
    "certificate",
    "certificate-key",
]
Usage = Literal["server", "client"]
PART = re.compile(r"\$\(([-._a-zA-Z0-9]+)\)")
"""Where a template has the value of another key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """How one key of a Secret is made.

    ``password``: ``length`` characters of [A-Za-z0-9], so that it needs no quoting in URLs, INI files and SQL;
    ``hex``: ``length`` random bytes; ``fernet``: a Fernet key; ``text``: ``text`` as it stands (a user's name);
    ``public``: ``text``, kept equal to it (a certificate); ``copy``: the value of ``source`` (Secret, key), kept equal to it;
    ``template``: ``text`` with the Secret's other keys in place of ``$(KEY)``, kept equal to it;
    ``authority`` and ``authority-key``: a pair that issues certificates, called ``text``;
    ``certificate`` and ``certificate-key``: a pair for the DNS names in ``text``, separated by commas, and for the ``usages``,
    issued by the authority in the Secret ``source[0]``, and kept equal to what is wanted of it.
    """

    kind: Kind
    length: int = 32
    text: str = ""
    source: tuple[str, str] = ("", "")
    usages: tuple[Usage, ...] = ("server",)

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

    @classmethod
    def template(cls, text: str) -> Value:
        """A whole file around secrets: ``text``, in which ``$(KEY)`` stands for the value of another key of the same Secret."""
        return cls(kind="template", text=text)

    @property
    def parts(self) -> tuple[str, ...]:
        """The keys that a template is composed of."""
        return tuple(dict.fromkeys(PART.findall(self.text))) if self.kind == "template" else ()


def authority_keys(title: str) -> dict[str, Value]:
    """The keys of a Secret with an authority, ``ca.crt`` and ``ca.key``. Nobody but the provider of credentials need read it."""
    return {"ca.crt": Value(kind="authority", text=title), "ca.key": Value(kind="authority-key")}


def certificate_keys(authority: str, names: Iterable[str] = (), *, usages: Iterable[Usage] = ("server",)) -> dict[str, Value]:
    """The keys of a Secret with a certificate that the authority in the Secret ``authority`` issues.

    ``tls.crt`` is for the DNS ``names`` (none, for a mere client), ``tls.key`` its private key, ``ca.crt`` what to trust.
    """
    return {
        "tls.crt": Value(kind="certificate", text=",".join(names), source=(authority, ""), usages=tuple(usages)),
        "tls.key": Value(kind="certificate-key"),
        "ca.crt": Value.copied(authority, "ca.crt"),
    }


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

    def __post_init__(self) -> None:
        known = {key for key, value in self.keys.items() if value.kind != "template"}
        for key, value in self.keys.items():
            for part in value.parts:
                if part not in known:
                    what = f"the template {key!r} of the Secret {self.name!r} has a part {part!r} that is no value of it"
                    raise StackloomError(Problem(what, did_you_mean(part, known)))


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretKey:
    """A reference to one key of a Secret."""

    secret: str
    key: str
