"""``spec.features.designate``: the name server behind the DNS service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stackloom.fields import DomainName, IpAddress, SpecModel, refuse


def _each_once(names: list[str]) -> list[str]:
    for index, name in enumerate(names):
        if name in names[:index]:
            refuse(f"{name!r} stands in the list twice", "Name each once")
    return names


class Backend(SpecModel):
    """The name server that answers for the cloud's zones."""

    type: Literal["powerdns"] = "powerdns"
    """What answers: PowerDNS."""
    protocol: Literal["udp", "tcp", "tcp+udp"] = "udp"
    """The protocols on which it is reachable from outside."""
    external_ip: IpAddress | None = None
    """The address that its load balancer asks for; left out, the load balancer chooses."""


class DesignateFeatures(SpecModel):
    """DNS: Designate."""

    backend: Backend = Backend()
    """The name server that answers for the cloud's zones."""
    nameservers: Annotated[list[DomainName], AfterValidator(_each_once)] = Field(default_factory=list)
    """The name server's names, which every zone has in its NS records; left out, ns.<public_domain_name> alone."""
