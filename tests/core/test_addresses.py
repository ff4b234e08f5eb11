from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackloom.addresses import Subnet, outside_range, pool_problems

NETWORK = ipaddress.IPv4Network("10.11.12.0/24")
ADDRESSES = st.integers(int(NETWORK[0]) - 300, int(NETWORK[-1]) + 300).map(ipaddress.IPv4Address)


def subnet(cidr: str, start: str, end: str) -> Subnet:
    return Subnet(range=cidr, pool_start=start, pool_end=end)


@given(start=ADDRESSES, end=ADDRESSES)
def test_a_pool_is_sound_exactly_when_it_runs_forwards_inside_its_range(
    start: ipaddress.IPv4Address, end: ipaddress.IPv4Address
) -> None:
    sound = NETWORK[1] <= start <= end <= NETWORK[-2]
    assert (not list(pool_problems(subnet(str(NETWORK), str(start), str(end)), "pool"))) is sound


def test_both_ends_outside_are_two_problems() -> None:
    found = list(pool_problems(subnet("10.0.0.0/24", "10.1.0.1", "10.1.0.9"), "spec.x"))
    assert [p.path for p in found] == ["spec.x.pool_start", "spec.x.pool_end"]


@pytest.mark.parametrize(
    ("cidr", "first", "last"),
    [
        ("10.0.0.0/24", "10.0.0.1", "10.0.0.254"),
        ("10.0.0.0/31", "10.0.0.0", "10.0.0.1"),
        ("10.0.0.7/32", "10.0.0.7", "10.0.0.7"),
        ("2001:db8::/120", "2001:db8::1", "2001:db8::ff"),
    ],
)
def test_the_hint_names_the_first_and_the_last_address_of_a_host(cidr: str, first: str, last: str) -> None:
    (problem,) = outside_range(cidr, {"gateway": "192.0.2.1"}, "spec.x")
    assert problem.hint == f"Take an address from {first} to {last}"
    assert not list(outside_range(cidr, {"first": first, "last": last}, "spec.x"))


def test_addresses_of_another_family_are_outside() -> None:
    assert len(list(pool_problems(subnet("10.0.0.0/8", "2001:db8::1", "2001:db8::2"), "spec.x"))) == 2
