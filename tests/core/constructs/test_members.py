from __future__ import annotations

from typing import Any

import pytest

from stackloom import BySize, Endpoint, Members, Service, ServiceContext, StackloomError
from tests.core.constructs.conftest import IDENTITY, Build

STORE = Service(
    name="store",
    type="storing",
    build=lambda _: None,
    endpoints=(
        Endpoint(
            service="store-db",
            port=1234,
            name="db",
            members=Members(role="db", domain="store-db-members", count=BySize(tiny=3, small=3, medium=5)),
        ),
    ),
)
USES: dict[str, Any] = {"uses": frozenset({"storing", "identity"})}


def test_members_are_called_one_by_one_in_the_number_of_the_size_or_the_operators(build_service: Build):
    found: list[list[str]] = []

    def build(ctx: ServiceContext) -> None:
        found.append(ctx.members("storing", "db"))

    values = {"storing": {"store": {"values": {"replicas": {"db": 1}}}}}
    for spec in ({"size": "small"}, {"size": "medium"}, {"size": "medium", "services": values}):
        build_service(build, service=USES, others=[IDENTITY, STORE], spec=spec)
    assert [len(members) for members in found] == [3, 5, 1]
    assert found[0][1] == "store-db-1.store-db-members.openstack.svc.cluster.local:1234"


def test_what_has_no_members_is_called_by_its_url(build_service: Build):
    with pytest.raises(StackloomError, match="has no members"):
        build_service(lambda ctx: ctx.members("identity", "api"), service=USES, others=[IDENTITY, STORE])
