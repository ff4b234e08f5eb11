"""No secret stands in the output: it is kept in Git, and read by all who may read the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from stackloom.checks.context import CheckContext
from stackloom.checks.index import Container, Index, at, each, problem, text
from stackloom.errors import Problem
from stackloom.model.output import Output

_HINT = "Describe it as a Credential and refer to it by secretKeyRef, or mount it"

# The last words of names of secrets, however they are joined: OS_DB__PASSWORD, memcache_secret_key, --auth-token.
_KEYS = r"(?:access|api|auth|encryption|heartbeat|private|secret|shared|signing|store)[-_]?key"
_WORDS = rf"(?:kek|passphrase|passwd|password|secret|token|{_KEYS})"
_VARIABLE = re.compile(rf"(?!.*public)(?:.*[-_.])?(?:{_WORDS}|pass|[a-z0-9]+_key)", re.IGNORECASE)
_OPTION = re.compile(rf"^[ \t]*[\"']?((?:[\w.-]*[_.-])?{_WORDS})[\"']?[ \t]*[=:][ \t]*(\S.*)$", re.IGNORECASE | re.MULTILINE)
_FLAG = re.compile(rf"--((?:[\w.-]*-)?{_WORDS})(?:=(.*))?", re.IGNORECASE | re.DOTALL)
# user:password@host, after the scheme or after another host of the same URL
_URL = re.compile(r"(?:://|,)[^\s/:@,\"']*:(?P<password>[^\s/@,\"']+)@")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_LITERAL = re.compile(r"([\"']).*\1[,;)]*")

# What may stand in the place of a secret: nothing, a reference to be filled in where it is read, a path, a truth value, or the
# beginning of what describes it over the lines that follow.
_HARMLESS = re.compile(
    r"|[{\[]|/\S*|(?:\$\(\w+\)|\$\{\w+\}|\$\w+|%\(\w+\)s|%s|\{[^{}]*\}|<\w+>)+|true|false|yes|no|none|null", re.IGNORECASE
)
_PROGRAMS = (".py", ".sh", ".lua", ".js", ".go", ".pl")


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:  # noqa: ARG001
    """No Secret with data, no variable, argument or option that holds a secret, no password in a URL, no private key."""
    index = Index.of(output)
    for o in index.objects:
        if o.kind == "Secret" and (at(o.body, "data") or at(o.body, "stringData")):
            yield problem(o, "data", "a Secret must not be written with its data", _HINT)
            continue
        if o.kind == "ConfigMap":
            yield from _config_map(o)
        # Few objects hold anything like it, and finding them in one long text is quick.
        if _in_text(repr(o.body)):
            for field, value in _places(o.body, ""):
                what = _in_text(value)
                if what:
                    yield problem(o, field, what, _HINT)
    for workload in index.workloads:
        for container in workload.containers:
            yield from _container(workload.output, container)


def _in_text(value: str) -> str:
    """What is secret in any text, whatever it is: "" for nothing."""
    if "://" in value and any(not _is_harmless(match["password"]) for match in _URL.finditer(value)):
        return "holds a URL with a password"
    if "PRIVATE KEY-----" in value and _PEM.search(value):
        return "holds a private key"
    return ""


def _is_harmless(value: str) -> bool:
    return _HARMLESS.fullmatch(value.strip().rstrip(",").strip("\"'")) is not None


def _places(value: Any, field: str) -> Iterator[tuple[str, str]]:
    """Every text in ``value`` with the field it stands in."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, f"{field}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _places(item, f"{field}[{i}]")


def _config_map(o: Output) -> Iterator[Problem]:
    """Options that are secrets. In a program such a line is code, and only a text that it assigns can be a secret."""
    for key, content in at(o.body, "data").items():
        if not isinstance(content, str):
            continue
        is_program = key.endswith(_PROGRAMS) or content.startswith("#!")
        for match in _OPTION.finditer(content):
            if is_program and not _LITERAL.fullmatch(match[2].strip()):
                continue
            if not _is_harmless(match[2]):
                line = content.count("\n", 0, match.start(1)) + 1
                yield problem(o, f"data.{key}", f"line {line} holds the secret option {match[1]!r}", _HINT)


def _container(o: Output, container: Container) -> Iterator[Problem]:
    for i, variable in each(container.body, "env"):
        # OS_<GROUP>__<OPTION> is an option of oslo.config: its group may well be called KEYSTONE_AUTHTOKEN.
        name = text(variable, "name").rpartition("__")[2]
        if _VARIABLE.fullmatch(name) and not _is_harmless(text(variable, "value")):
            what = f"the variable {text(variable, 'name')} holds a secret"
            yield problem(o, f"{container.field}.env[{i}].value", what, _HINT)
    for key in ("command", "args"):
        words = container.body.get(key)
        if not isinstance(words, list | tuple):
            continue
        for i, (word, following) in enumerate(zip_longest(words, words[1:], fillvalue="")):
            match = _FLAG.fullmatch(word) if isinstance(word, str) else None
            if match:
                value = match[2] if match[2] is not None else following
                if isinstance(value, str) and not value.startswith("-") and not _is_harmless(value):
                    what = f"the option --{match[1]} holds a secret"
                    yield problem(o, f"{container.field}.{key}[{i}]", what, _HINT)
