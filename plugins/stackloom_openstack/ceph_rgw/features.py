"""``spec.features.ceph_rgw``: which gateway of Ceph the object store is."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from stackloom.fields import DnsLabel, DomainName, Port, Secret, SpecModel, refuse

_HOST = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?|\[[0-9a-f:.]+\]"


def _address(value: str) -> str:
    match = re.fullmatch(rf"({_HOST}):([0-9]{{1,5}})", value)
    if match is None or not 0 < int(match[3]) < 65536:
        refuse(f"{value!r} is not the address of a gateway", "Write host:port, like 10.0.0.1:8080 or rgw.example.org:443")
    return value


def _option(value: str) -> str:
    if re.fullmatch(r"rgw_[a-z0-9_]+", value) is None:
        refuse(f"{value!r} is not an option of the gateway", "Options of the gateway begin with rgw_")
    return value


Address = Annotated[str, AfterValidator(_address)]
OptionName = Annotated[str, AfterValidator(_option)]


class Tls(SpecModel):
    """How gateways are called that speak TLS."""

    ca: Secret
    """The authority that signed their certificate, in PEM."""
    server_name: DomainName
    """The name in their certificate."""


class Existing(SpecModel):
    """Gateways that run already."""

    addresses: Annotated[list[Address], Field(min_length=1)]
    """The gateways, as host:port. All are used, and those that do not answer are left out."""
    tls: Tls | None = None
    """Call them by TLS. Absent: by plain HTTP."""


class RookStore(SpecModel):
    """The gateways of a CephObjectStore of Rook."""

    store: DnsLabel
    """The name of the CephObjectStore, in the namespace of ``spec.features.ceph.rook``."""
    port: Port = 80
    """Its ``gateway.port``."""


class CephRgwFeatures(SpecModel):
    """The object store. Without a word it is gateways of this cloud's own in front of its Ceph."""

    existing: Existing | None = None
    """Gateways that run already, instead of own ones."""
    rook: RookStore | None = None
    """Gateways that Rook runs, instead of own ones."""
    options: dict[OptionName, bool | int | float | str] = Field(default_factory=dict)
    """Options of the own gateways (``rgw_thread_pool_size``), laid over those that Stackloom gives them."""

    @property
    def is_own(self) -> bool:
        """Whether the gateways are this cloud's own."""
        return self.existing is None and self.rook is None
