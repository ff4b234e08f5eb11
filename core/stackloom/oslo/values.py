"""Whether an option takes a value, decided as oslo.config decides it when the service starts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from stackloom.model.conf import NODE_MARK, InterfaceAddress
from stackloom.oslo.ini import Multi, Scalar, text
from stackloom.oslo.ini import Option as Value
from stackloom.oslo.schema import Option

_TRUTHS = {"true", "1", "on", "yes", "false", "0", "off", "no"}
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)$", re.IGNORECASE)
_PORTS = (0, 65535)


def unfit(option: Option, value: Value) -> str:
    """Why the option does not take this value, as what follows "it must be"; "" if it takes it."""
    match value:
        case Multi(values):
            return next(_reasons(option, values), "") if option.multi else "one value, not several lines"
        case None | str() | bool() | int() | float() | InterfaceAddress():
            return next(_reasons(option, [value]), "")
    if option.multi:
        return next(_reasons(option, value), "")
    return _whole(option, ",".join(map(text, value)))


def _reasons(option: Option, values: Sequence[Scalar]) -> Iterator[str]:
    return filter(None, (_whole(option, text(value)) for value in values if value is not None))


def _whole(option: Option, written: str) -> str:
    if "$" in written.replace("$$", "") or NODE_MARK in written:
        return ""  # another option's value, or an address, takes its place before the service reads it
    if option.type == "list":
        body = written.removeprefix("[").removesuffix("]") if option.bounds else written
        return _parts(option, [part.strip() for part in body.split(",")]) if body.strip() else ""
    if option.type == "dict":
        pairs = [part.partition(":") for part in written.split(",")] if written.strip() else []
        if any(not colon for _, colon, _ in pairs):
            return "pairs of key:value with commas between them"
        return _parts(option, [value.strip() for _, _, value in pairs])
    return _one(option, written)


def _parts(option: Option, parts: Sequence[str]) -> str:
    if option.items is None:
        return ""
    return next((f"a list, each of which is {reason}" for part in parts if (reason := _one(option.items, part))), "")


def _one(option: Option, written: str) -> str:
    if option.choices:
        known = [str(choice) for choice in option.choices]
        fits = written in known or (option.any_case and written.lower() in map(str.lower, known))
        return "" if fits else f"one of {', '.join(map(repr, known))}"
    return _CHECKS[option.type](option, written)


def _string(option: Option, written: str) -> str:
    if option.longest is not None and len(written) > option.longest:
        return f"at most {option.longest} characters long"
    if option.regex and not re.search(option.regex, written):
        return f"text that matches {option.regex}"
    return ""


def _boolean(_: Option, written: str) -> str:
    return "" if written.lower() in _TRUTHS else "true or false"


def _number(name: str, read: Callable[[str], float]) -> Callable[[Option, str], str]:
    def check(option: Option, written: str) -> str:
        low, high = _PORTS if option.type == "port" else (option.min, option.max)
        low, high = (option.min if option.min is not None else low), (option.max if option.max is not None else high)
        try:
            number = read(written)
        except ValueError:
            return name
        if low is not None and number < low:
            return f"{name} of {low:g} at least"
        return f"{name} of {high:g} at most" if high is not None and number > high else ""

    return check


def _address(_: Option, written: str) -> str:
    try:
        ipaddress.ip_address(written)
    except ValueError:
        return "an IP address"
    return ""


def _hostname(_: Option, written: str) -> str:
    named = written.removesuffix(".")
    return "" if len(named) <= 253 and all(map(_LABEL.match, named.split("."))) else "the name of a host"


def _host(option: Option, written: str) -> str:
    return "" if not _address(option, written) or not _hostname(option, written) else "an IP address or the name of a host"


def _uri(_: Option, written: str) -> str:
    parts = urlsplit(written)
    return "" if parts.scheme and (parts.netloc or parts.path) else "a URL"


_CHECKS: dict[str, Callable[[Option, str], str]] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _number("a whole number", int),
    "float": _number("a number", float),
    "port": _number("a port", int),
    "address": _address,
    "host": _host,
    "hostname": _hostname,
    "uri": _uri,
    "list": lambda *_: "",
    "dict": lambda *_: "",
}
