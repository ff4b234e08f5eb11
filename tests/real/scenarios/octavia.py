"""Octavia: load balancers that are built by jobs in etcd, the network of amphorae, and a gateway's interface in it.

Octavia's own drivers that do nothing stand for amphorae, by options that any operator could set: a node of a boot is no place for
servers. What is made in the cloud for them is made in earnest, and so is the interface of the node.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.bad_inputs import patched
from tests.real.boot.scenario import RunningCloud, Scenario
from tests.real.scenarios import neutron, nova

PATIENCE_SECONDS = 180
NOTHING = {
    "controller_worker": {
        "amphora_driver": "amphora_noop_driver",
        "compute_driver": "compute_noop_driver",
        "image_driver": "image_noop_driver",
        "network_driver": "network_noop_driver",
    }
}
# Asks as the driver of a provider does, through the sockets of the agent beside the API.
ASK_AGENT = """
import sys
from octavia_lib.api.drivers import driver_lib
print(driver_lib.DriverLibrary().get_loadbalancer(sys.argv[1]).name)
"""
# What an amphora sends from time to time, signed with the key that it was given.
BEAT = """
import os, socket, sys
from octavia.amphorae.backends.health_daemon import status_message
beat = {"id": sys.argv[1], "seq": 1, "listeners": {}, "pools": {}, "ver": 2, "recv_time": 0}
key = os.environ["OS_HEALTH_MANAGER__HEARTBEAT_KEY"]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.sendto(status_message.wrap_envelope(beat, key), (sys.argv[2], 5555))
"""
HEARD = """
import os, sys, sqlalchemy
engine = sqlalchemy.create_engine(os.environ["OS_DATABASE__CONNECTION"])
with engine.connect() as connection:
    question = sqlalchemy.text("SELECT last_update FROM amphora_health WHERE amphora_id = :id")
    print(*(row[0] for row in connection.execute(question, {"id": sys.argv[1]})))
"""
# The jobs that are posted, and how many ever were.
JOBS = """
import etcd3gw
directory, board = "/etc/etcd/client", "/taskflow/jobs/octavia_jobboard"
tls = {"ca_cert": f"{directory}/ca.crt", "cert_cert": f"{directory}/tls.crt", "cert_key": f"{directory}/tls.key"}
client = etcd3gw.client(host="etcd.openstack.svc.cluster.local", port=2379, protocol="https", **tls)
print(len(client.get_prefix(f"{board}/job")), *(value.decode() for value in client.get(f"{board}/sequence") or [b"0"]))
"""


def balancers(cloud: RunningCloud) -> Any:
    """The SDK's part for load balancers."""
    return cloud.admin.load_balancer


def until(true: Callable[[], Any], what: str) -> Any:
    """What is true in the end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := true()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.5)
    return found


def active(cloud: RunningCloud, balancer: Any) -> Any:
    """The load balancer, once it can be changed again."""
    return balancers(cloud).wait_for_load_balancer(balancer.id, "ACTIVE", ["ERROR"], 0.5, PATIENCE_SECONDS)


def made(cloud: RunningCloud, name: str) -> Any:
    """A new load balancer, active."""
    _, subnet = neutron.made(cloud.admin, name, "10.20.0.0/24")
    return active(cloud, balancers(cloud).create_load_balancer(name=name, vip_subnet_id=subnet.id))


def gone(cloud: RunningCloud, balancer: Any) -> None:
    balancers(cloud).delete_load_balancer(balancer.id, cascade=True)
    until(lambda: balancers(cloud).find_load_balancer(balancer.id) is None, "the load balancer is gone")


def own(cloud: RunningCloud) -> str:
    """The id of the project in which Octavia has its network."""
    identity: Any = cloud.admin.identity
    return str(identity.find_project("service", domain_id=identity.find_domain("service").id).id)


def what_amphorae_need_is_there(cloud: RunningCloud) -> None:
    admin = cloud.admin
    network = admin.network.find_network("lb-mgmt-net", ignore_missing=False)
    (subnet,) = admin.network.subnets(network_id=network.id)
    assert (subnet.cidr, subnet.gateway_ip, network.project_id) == ("10.255.0.0/16", None, own(cloud))
    opened = {}
    for name in ("octavia-amphorae", "octavia-controllers"):
        group = admin.network.find_security_group(name, ignore_missing=False)
        rules = [rule for rule in admin.network.security_group_rules(security_group_id=group.id) if rule.direction == "ingress"]
        opened[name] = {(rule.protocol, rule.port_range_min, rule.remote_ip_prefix) for rule in rules}
    assert opened == {
        "octavia-amphorae": {("tcp", 9443, "10.255.0.0/16"), ("icmp", None, "10.255.0.0/16")},
        "octavia-controllers": {("udp", 5555, "10.255.0.0/16")},
    }
    assert admin.compute.get_flavor("octavia-amphora").ram == 1024
    assert admin.compute.get_quota_set(own(cloud)).instances == -1


def the_gateway_has_an_interface_in_the_network_and_its_port_is_active(cloud: RunningCloud) -> None:
    network = cloud.admin.network
    (port,) = until(lambda: list(network.ports(device_owner="Octavia:health-mgr")), "a port of the health manager")
    until(lambda: network.get_port(port.id).status == "ACTIVE", "an active port")
    address = port.fixed_ips[0]["ip_address"]
    shown = cloud.node.container("octavia-interface").run(["ip", "address", "show", "dev", "o-hm0"]).stdout
    assert f"inet {address}/16" in shown
    assert port.mac_address in shown
    found = cloud.node.container("octavia-worker").run(["cat", "/run/octavia/found.conf"]).stdout
    assert f"controller_ip_port_list = {address}:5555\n" in found
    assert f"amp_image_owner_id = {own(cloud)}\n" in found


def a_load_balancer_with_a_listener_a_pool_and_a_member_becomes_active_and_goes(cloud: RunningCloud) -> None:
    api = balancers(cloud)
    balancer = made(cloud, "web")
    assert balancer.provider == "amphorav2"
    listener = api.create_listener(name="http", protocol="HTTP", protocol_port=80, load_balancer_id=balancer.id)
    active(cloud, balancer)
    pool = api.create_pool(name="servers", protocol="HTTP", lb_algorithm="ROUND_ROBIN", listener_id=listener.id)
    active(cloud, balancer)
    member = api.create_member(pool.id, name="one", address="10.20.0.10", protocol_port=8080)
    active(cloud, balancer)
    states = [api.get_listener(listener.id), api.get_pool(pool.id), api.get_member(member.id, pool.id)]
    assert [one.provisioning_status for one in states] == ["ACTIVE"] * 3
    gone(cloud, balancer)


def what_is_built_is_a_job_in_etcd_until_it_is_done(cloud: RunningCloud) -> None:
    worker = cloud.node.container("octavia-worker")
    _, before = worker.run(["python3", "-c", JOBS]).stdout.split()
    balancer = made(cloud, "job")
    until(lambda: worker.run(["python3", "-c", JOBS]).stdout.split()[0] == "0", "no job is left")
    _, after = worker.run(["python3", "-c", JOBS]).stdout.split()
    assert int(after) > int(before)
    gone(cloud, balancer)


def a_driver_asks_through_the_sockets_of_the_agent_beside_the_api(cloud: RunningCloud) -> None:
    balancer = made(cloud, "asked")
    done = cloud.node.container("octavia-api").run(["python3", "-c", ASK_AGENT, balancer.id])
    assert done.stdout == "asked\n", done
    gone(cloud, balancer)


def an_amphora_is_heard_on_the_gateways_address_in_the_network(cloud: RunningCloud) -> None:
    balancer = made(cloud, "beats")
    (amphora,) = [one for one in balancers(cloud).amphorae() if one.loadbalancer_id == balancer.id]
    manager = cloud.node.container("octavia-health-manager")
    (port,) = cloud.admin.network.ports(device_owner="Octavia:health-mgr")

    def heard() -> str:
        sent = manager.run(["python3", "-c", BEAT, amphora.id, port.fixed_ips[0]["ip_address"]])
        assert sent.returncode == 0, sent
        return str(manager.run(["python3", "-c", HEARD, amphora.id]).stdout.strip())

    until(heard, "a heartbeat in the database")
    gone(cloud, balancer)


def one_that_fails_over_gets_another_amphora(cloud: RunningCloud) -> None:
    balancer = made(cloud, "fails")

    def amphorae() -> set[str]:
        found = [one for one in balancers(cloud).amphorae() if one.loadbalancer_id == balancer.id]
        return {one.id for one in found if one.status == "ALLOCATED"}

    before = amphorae()
    balancers(cloud).failover_load_balancer(balancer.id)
    until(lambda: amphorae() and not amphorae() & before, "another amphora")
    active(cloud, balancer)
    gone(cloud, balancer)


def a_gateway_that_comes_is_told_to_workers_which_then_build_on(cloud: RunningCloud) -> None:
    network = cloud.admin.network
    (own_port,) = network.ports(device_owner="Octavia:health-mgr")
    like = {"network_id": own_port.network_id, "project_id": own_port.project_id, "device_owner": own_port.device_owner}
    worker = cloud.node.container("octavia-worker")
    began = worker.first_process()
    other = network.create_port(name="octavia-controller-elsewhere", **like)
    told = f"{other.fixed_ips[0]['ip_address']}:5555"
    until(lambda: told in worker.run(["cat", "/run/octavia/found.conf"]).stdout, "the address of the other gateway")
    gone(cloud, made(cloud, "after"))
    assert worker.first_process() == began  # the container was not started anew
    network.delete_port(other)


SCENARIO = Scenario(
    services=["load-balancer", "key-manager", *nova.SCENARIO.services],
    spec=patched(
        dict(nova.SCENARIO.spec),
        {"services": {"load-balancer": {"octavia": {"values": {"conf": {"octavia": NOTHING}}}}}},
    ),
    shows=[
        what_amphorae_need_is_there,
        the_gateway_has_an_interface_in_the_network_and_its_port_is_active,
        a_load_balancer_with_a_listener_a_pool_and_a_member_becomes_active_and_goes,
        what_is_built_is_a_job_in_etcd_until_it_is_done,
        a_driver_asks_through_the_sockets_of_the_agent_beside_the_api,
        an_amphora_is_heard_on_the_gateways_address_in_the_network,
        one_that_fails_over_gets_another_amphora,
        a_gateway_that_comes_is_told_to_workers_which_then_build_on,
    ],
)
