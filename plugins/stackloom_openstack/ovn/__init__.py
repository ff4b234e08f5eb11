"""The virtual network of Neutron's backend ml2/ovn: OVN's databases, its northd, and a controller on each node."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import ConfFile, Credential, Endpoint, Image, Members, Service, authority_keys, hookimpl, openstack_image
from stackloom_openstack.ovn.build import build
from stackloom_openstack.ovn.databases import AUTHORITY, NORTHBOUND, SOUTHBOUND, STEWARD_PORT


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """OVN."""
    databases = (NORTHBOUND, SOUTHBOUND)
    yield Service(
        name="ovn",
        type="networking",
        build=build,
        features_key="neutron",  # what differs by node is said there
        presets=frozenset({"compute", "compute-tf", "core"}),
        uses=frozenset({"compute"}),
        endpoints=tuple(
            Endpoint(
                service=database.service,
                port=database.port,
                name=database.endpoint,
                members=Members(role=database.role, domain=database.domain, count=database.count),
            )
            for database in databases
        ),
        peer_ports=(*(database.raft_port for database in databases), STEWARD_PORT),
        images={"ovn": Image("quay.io/airshipit/ovn", "ubuntu_noble"), "neutron": openstack_image("neutron")},
        # The key of the authority is for whoever provides the credentials: no Pod may read it.
        credentials=(Credential(name=AUTHORITY, keys=authority_keys("ovn"), readers=frozenset()),),
        conf=(ConfFile("ovn_agent", schema="neutron-ovn-agent"),),
        schemas="stackloom_openstack",
    )
