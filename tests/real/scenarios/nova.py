"""Nova: cells, a compute node whose servers are made up, a server that becomes ACTIVE on a network, work by the clock.

Nova's own fake driver stands for libvirt, by an option that any operator could set: a node of a boot is no place for servers.
libvirt itself starts as its manifest says, and nova-compute waits for it.
"""

from __future__ import annotations

import urllib.request
from typing import Any

from tests.real.boot.network import BRIDGE
from tests.real.boot.scenario import DOMAIN, RunningCloud, Scenario
from tests.real.scenarios import glance, neutron

FAKE = {"compute": {"nova": {"values": {"conf": {"nova": {"DEFAULT": {"compute_driver": "fake.MediumFakeDriver"}}}}}}}


def the_node_is_found_and_every_service_is_up(cloud: RunningCloud) -> None:
    assert cloud.node.run_now("nova-discover-hosts").phase == "Succeeded"
    services = cloud.admin.compute.get("/os-services", microversion="2.53").json()["services"]
    assert {s["binary"] for s in services if s["state"] == "up"} == {"nova-compute", "nova-conductor", "nova-scheduler"}
    name = cloud.node.container("nova-compute").run(["hostname"]).stdout.strip()
    assert [h.name for h in cloud.admin.compute.hypervisors()] == [name]


def a_server_on_a_network_becomes_active_and_goes(cloud: RunningCloud) -> None:
    admin = cloud.admin
    network, _ = neutron.made(admin, "servers", "10.9.0.0/24")
    images: Any = admin.image
    image = images.create_image(name="tiny", container_format="bare", disk_format="raw", visibility="public", data=b"\0" * 512)
    flavor = admin.compute.create_flavor(name="tiny", ram=64, vcpus=1, disk=1)
    neutron.where_ports_are_bound(cloud)
    made = admin.compute.create_server(name="one", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}])
    server = admin.compute.wait_for_server(made, wait=180)
    (port,) = admin.network.ports(device_id=server.id)
    assert (server.status, port.binding_vif_type) == ("ACTIVE", "ovs")
    assert [a["addr"] for a in server.addresses["servers"]] == [port.fixed_ips[0]["ip_address"]]
    admin.compute.delete_server(made)
    admin.compute.wait_for_delete(made, wait=120)


def metadata_is_refused_to_who_does_not_prove_who_asks(cloud: RunningCloud) -> None:
    request = urllib.request.Request(f"http://{cloud.node.pod('nova-metadata').address}:8775/latest/meta-data/")
    request.add_header("X-Instance-ID", "00000000-0000-0000-0000-000000000000")
    request.add_header("X-Tenant-ID", "nobody")
    request.add_header("X-Instance-ID-Signature", "forged")
    try:
        status = urllib.request.urlopen(request, timeout=30).status  # noqa: S310
    except urllib.error.HTTPError as error:
        status = error.code
    assert status == 403


def the_page_of_consoles_is_served_under_its_public_name(cloud: RunningCloud) -> None:
    answer = cloud.admin.session.get(f"https://novncproxy.{DOMAIN}/vnc_lite.html", authenticated=False)
    assert "noVNC" in answer.text


def what_is_done_by_the_clock_succeeds(cloud: RunningCloud) -> None:
    for name in ("db-purge", "placement-audit", "service-cleaner"):
        assert cloud.node.run_now(f"nova-{name}").phase == "Succeeded", name


SCENARIO = Scenario(
    services=["compute", "image", "networking", "placement"],
    spec={
        "features": {
            **neutron.SCENARIO.spec["features"],
            **glance.SCENARIO.spec["features"],
            "nova": {"live_migration_interface": BRIDGE},
        },
        "services": {**neutron.SCENARIO.spec["services"], **FAKE},
    },
    shows=[
        the_node_is_found_and_every_service_is_up,
        a_server_on_a_network_becomes_active_and_goes,
        metadata_is_refused_to_who_does_not_prove_who_asks,
        the_page_of_consoles_is_served_under_its_public_name,
        what_is_done_by_the_clock_succeeds,
    ],
)
