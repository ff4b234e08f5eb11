"""``spec.features.designate``: the name server behind the DNS service."""

from __future__ import annotations

from typing import Literal

from stackloom.fields import IpAddress, SpecModel


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
