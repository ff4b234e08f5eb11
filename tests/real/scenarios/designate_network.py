"""Designate with Neutron: ports and floating addresses have names in the zones of who made them."""

from __future__ import annotations

from tests.real.boot.scenario import RunningCloud, Scenario
from tests.real.scenarios import designate, neutron

ZONE = "servers.test."


def a_port_and_a_floating_address_are_found_by_name_until_they_are_gone(cloud: RunningCloud) -> None:
    network = cloud.admin.network
    zone = designate.active_zone(cloud, ZONE)
    named = network.create_network(name="named", dns_domain=ZONE)
    network.create_subnet(network_id=named.id, ip_version=4, cidr="10.9.0.0/24", dns_publish_fixed_ip=True)
    port = network.create_port(network_id=named.id, dns_name="inside")
    public = network.find_network("public", ignore_missing=False)
    floating = network.create_ip(floating_network_id=public.id, dns_domain=ZONE, dns_name="outside")
    inside, outside = port.fixed_ips[0]["ip_address"], floating.floating_ip_address
    designate.answered(cloud, f"inside.{ZONE}", "A", f"NOERROR {inside}")
    designate.answered(cloud, f"outside.{ZONE}", "A", f"NOERROR {outside}")
    network.delete_port(port)
    network.delete_ip(floating)
    designate.answered(cloud, f"inside.{ZONE}", "A", "NXDOMAIN")
    designate.answered(cloud, f"outside.{ZONE}", "A", "NXDOMAIN")
    cloud.admin.dns.delete_zone(zone)


SCENARIO = Scenario(
    services=["dns", "networking"],
    spec=neutron.SCENARIO.spec,
    shows=[a_port_and_a_floating_address_are_found_by_name_until_they_are_gone],
)
