"""Subnets with a pool of addresses, as several services' models have them, and what can be wrong with one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from stackloom.errors import Problem
from stackloom.fields import Cidr, IpAddress, SpecModel


class Subnet(SpecModel):
    """A range of addresses and the part of it that is given out."""

    range: Cidr
    """The whole range, like 10.11.12.0/24."""
    pool_start: IpAddress
    """The first address that is given out."""
    pool_end: IpAddress
    """The last address that is given out."""


def pool_problems(subnet: Subnet, path: str) -> Iterator[Problem]:
    """What is wrong between the fields of ``subnet``, which stands at ``path``: its pool leaves its range or runs backwards."""
    ends = [(key, ipaddress.ip_address(getattr(subnet, key))) for key in ("pool_start", "pool_end")]
    outside = list(outside_range(subnet.range, {key: str(address) for key, address in ends}, path))
    yield from outside
    (_, first), (_, last) = ends
    if not outside and int(first) > int(last):
        yield Problem(
            path=f"{path}.pool_end",
            what=f"the pool ends at {last}, before it starts at {first}",
            hint="Swap pool_start and pool_end",
        )


def outside_range(cidr: str, addresses: dict[str, str], path: str) -> Iterator[Problem]:
    """A problem for each of ``addresses`` (key: address) that is no host's address in ``cidr``."""
    network = ipaddress.ip_network(cidr)
    for key, text in addresses.items():
        address = ipaddress.ip_address(text)
        if address not in network:
            what = f"{address} is outside the range {network}"
        elif network.num_addresses > 2 and address in _unusable(network):
            what = f"{address} is the network's or the broadcast address of {network}, which no host can have"
        else:
            continue
        yield Problem(path=f"{path}.{key}", what=what, hint=f"Take an address {_usable(network)}")


def _unusable(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    last = (network.broadcast_address,) if network.version == 4 else ()
    return (network.network_address, *last)


def _usable(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    margin = 1 if network.num_addresses > 2 else 0
    last_margin = margin if network.version == 4 else 0
    return f"from {network[margin]} to {network[-1 - last_margin]}"
