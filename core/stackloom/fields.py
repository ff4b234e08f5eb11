"""The vocabulary in which the specification's models are written, by the core and by every plugin.

A field's type says what may stand there; its error says what is wrong and how to mend it. Rules across fields are
functions beside the model (see :class:`stackloom.Service`), because a model stops at its first mistake and an operator
wants to see all of them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from stackloom.names import is_dns_label, is_dns_subdomain

Size = Literal["single", "tiny", "small", "medium"]
Preset = Literal["compute", "compute-tf", "core"]
Release = Literal["epoxy", "flamingo", "gazpacho"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class SpecModel(BaseModel):
    """A mapping of the specification: no unknown keys, no coercion between types, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True, use_attribute_docstrings=True)


def refuse(what: str, hint: str = "") -> NoReturn:
    """Refuse the value under validation: ``what`` is wrong with it and, as ``hint``, how to mend it."""
    raise PydanticCustomError("refused", "{what}", {"what": what, "hint": hint})


class SecretKeyRef(SpecModel):
    """A key of a Secret in the deployment's namespace."""

    name: Annotated[str, AfterValidator(lambda v: _checked(v, is_dns_subdomain(v), "is not the name of a Secret"))]
    """The Secret's name."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """The key in the Secret's data."""


class SecretSource(SpecModel):
    """Where a secret value is read from."""

    secret_key_ref: SecretKeyRef
    """The Secret and the key in it."""


class ValueFrom(SpecModel):
    """A value that stays in the cluster: only a reference to it stands in the deployment."""

    value_from: SecretSource
    """Where the value is read from, in the cluster."""


def _no_inline_secret(value: Any) -> Any:
    if isinstance(value, str | bytes | int | float):
        refuse(
            "a secret must not stand here in clear: it would be readable in Git",
            "Put it into a Secret and refer to it: {value_from: {secret_key_ref: {name: ..., key: ...}}}",
        )
    return value


Secret = Annotated[ValueFrom, BeforeValidator(_no_inline_secret)]
"""A secret value: always a reference, never the value."""


def _checked(value: str, good: bool, what: str, hint: str = "") -> str:
    if not good:
        refuse(f"{value!r} {what}", hint)
    return value


def _cidr(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        refuse(f"{value!r} is not a network in CIDR notation ({error})", "Write it like 10.11.12.0/24")
    return value


def _ip(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        refuse(f"{value!r} is not an IP address", "Write it like 10.11.12.100")
    return value


def _domain(value: str) -> str:
    good = is_dns_subdomain(value) and all(is_dns_label(part) for part in value.split("."))
    return _checked(
        value, good, "is not a domain name", "Use lower-case letters, digits, dashes and dots, like cloud.example.org"
    )


def _url(value: str) -> str:
    good = re.fullmatch(r"(https?|ldaps?)://[^\s/?#@]+([/?#]\S*)?", value) is not None
    return _checked(value, good, "is not a URL", "Write it whole, like https://vault.example.org:8200")


def _storage_size(value: str) -> str:
    good = re.fullmatch(r"(?=.*[1-9])\d+(\.\d+)?([kMGTPE]|[KMGTPE]i)?", value) is not None
    return _checked(value, good, "is not an amount of storage", "Write it like 100Gi")


_CRON_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


def _cron_number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + low
    return int(text) if text.isdecimal() else None


def _cron_field_is_good(field: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    for item in field.split(","):
        span, _, step = item.partition("/")
        if "/" in item and not (step.isdecimal() and int(step) > 0):
            return False
        if span in ("*", "?"):
            continue
        ends = [_cron_number(end, low, names) for end in span.split("-")]
        if len(ends) > 2 or any(end is None or not low <= end <= high for end in ends):
            return False
        if len(ends) == 2 and (ends[0] or 0) > (ends[1] or 0):
            return False
    return True


def _cron(value: str) -> str:
    hint = "Write five fields as a CronJob has them (minute hour day month weekday), like '1 0 * * 1'"
    if value in ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"):
        return value
    fields = value.split()
    _checked(value, len(fields) == len(_CRON_FIELDS), f"has {len(fields)} fields where a cron schedule has five", hint)
    for field, (name, low, high, names) in zip(fields, _CRON_FIELDS, strict=True):
        if not _cron_field_is_good(field, low, high, names):
            refuse(f"{field!r} does not fit the {name} of a cron schedule ({low}-{high})", hint)
    return value


Cidr = Annotated[str, AfterValidator(_cidr)]
IpAddress = Annotated[str, AfterValidator(_ip)]
DomainName = Annotated[str, AfterValidator(_domain)]
Url = Annotated[str, AfterValidator(_url)]
StorageSize = Annotated[str, AfterValidator(_storage_size)]
CronSchedule = Annotated[str, AfterValidator(_cron)]
DnsLabel = Annotated[
    str,
    AfterValidator(
        lambda v: _checked(v, is_dns_label(v), "is not a DNS label", "Use at most 63 lower-case letters, digits and dashes")
    ),
]
ObjectName = Annotated[
    str,
    AfterValidator(
        lambda v: _checked(
            v, is_dns_subdomain(v), "is not a name that Kubernetes takes", "Use lower-case letters, digits, dashes and dots"
        )
    ),
]
InterfaceName = Annotated[
    str,
    AfterValidator(
        lambda v: _checked(
            v,
            re.fullmatch(r"[^\s/:]{1,15}", v) is not None,
            "is not the name of a network interface",
            "Linux allows at most 15 characters, none of them a space, a slash or a colon",
        )
    ),
]
NonEmpty = Annotated[str, Field(min_length=1, pattern=r"\S")]
Port = Annotated[int, Field(ge=1, le=65535)]
Ratio = Annotated[float, Field(gt=0)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class Pvc(SpecModel):
    """A volume claim that Pods on several nodes share."""

    size: StorageSize
    """Its size, like 100Gi."""
    storage_class_name: ObjectName
    """Its storage class, which must let several nodes write (ReadWriteMany)."""
