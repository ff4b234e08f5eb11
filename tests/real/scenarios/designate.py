"""Designate: zones that are made through its API, and answered by PowerDNS to real questions."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.real.boot.scenario import RunningCloud, Scenario
from tests.real.scenarios.cinder import HOLD

PATIENCE_SECONDS = 120
# Asks the server at an address for the records of a name: the response code, then what was answered, in order.
ASK = """
import sys
import dns.message, dns.query, dns.rcode
address, protocol, name, kind = sys.argv[1:]
question = dns.message.make_query(name, kind)
answer = getattr(dns.query, protocol)(question, address, port=5300, timeout=10)
print(dns.rcode.to_text(answer.rcode()), *sorted(record.to_text() for found in answer.answer for record in found))
"""
# Tries to change what PowerDNS answers, with the account of the servers that do.
CHANGE = """
import os, pymysql
who = {"host": "mariadb", "user": os.environ["READER"], "password": os.environ["PASSWORD"], "database": "powerdns"}
with pymysql.connect(**who) as connection, connection.cursor() as cursor:
    print(cursor.execute("SELECT name FROM domains"))
    cursor.execute("DELETE FROM records")
"""


def until(true: Callable[[], Any], what: str) -> Any:
    """What is true in the end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := true()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.5)
    return found


def asked(cloud: RunningCloud, name: str, kind: str, protocol: str = "udp") -> str:
    """What PowerDNS answers to a question over the network, from another Pod."""
    command = ["python3", "-c", ASK, cloud.node.pod("designate-powerdns").address, protocol, name, kind]
    done = cloud.node.container("designate-central").run(command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def answered(cloud: RunningCloud, name: str, kind: str, answer: str) -> None:
    """Wait until PowerDNS answers so."""
    until(lambda: asked(cloud, name, kind) == answer, f"{name} {kind} is answered with {answer}")


def active_zone(cloud: RunningCloud, name: str) -> Any:
    """A new zone that has arrived at PowerDNS."""
    dns = cloud.admin.dns
    zone = dns.create_zone(name=name, email="hostmaster@example.net", ttl=300)
    until(lambda: dns.get_zone(zone.id).status == "ACTIVE", f"{name} is active")
    return zone


def settled(cloud: RunningCloud, zone: Any, recordset: Any) -> None:
    dns = cloud.admin.dns
    until(lambda: dns.get_recordset(recordset.id, zone.id).status == "ACTIVE", f"{recordset.name} is active")


def a_zone_is_answered_with_the_name_of_the_cloud_s_name_server(cloud: RunningCloud) -> None:
    assert asked(cloud, "fresh.test.", "NS") == "REFUSED"
    zone = active_zone(cloud, "fresh.test.")
    assert asked(cloud, "fresh.test.", "NS") == "NOERROR ns.cloud.example.org."
    assert asked(cloud, "fresh.test.", "SOA", "tcp").startswith("NOERROR ns.cloud.example.org. hostmaster.example.net. ")
    cloud.admin.dns.delete_zone(zone)
    answered(cloud, "fresh.test.", "NS", "REFUSED")


def a_record_is_answered_over_udp_and_tcp_and_so_is_its_change_and_its_end(cloud: RunningCloud) -> None:
    dns = cloud.admin.dns
    zone = active_zone(cloud, "records.test.")
    assert asked(cloud, "www.records.test.", "A") == "NXDOMAIN"
    record = dns.create_recordset(zone, name="www.records.test.", type="A", ttl=60, records=["192.0.2.1", "192.0.2.2"])
    settled(cloud, zone, record)
    for protocol in ("udp", "tcp"):
        assert asked(cloud, "www.records.test.", "A", protocol) == "NOERROR 192.0.2.1 192.0.2.2"
    dns.update_recordset(record, records=["192.0.2.3"])
    settled(cloud, zone, record)
    for protocol in ("udp", "tcp"):
        assert asked(cloud, "www.records.test.", "A", protocol) == "NOERROR 192.0.2.3"
    dns.delete_recordset(record)
    answered(cloud, "www.records.test.", "A", "NXDOMAIN")
    assert asked(cloud, "www.records.test.", "A", "tcp") == "NXDOMAIN"
    dns.delete_zone(zone)


def a_change_arrives_by_notification_and_not_by_the_clock(cloud: RunningCloud) -> None:
    zone = active_zone(cloud, "quick.test.")
    began = time.monotonic()
    cloud.admin.dns.create_recordset(zone, name="quick.test.", type="TXT", records=['"word"'])
    answered(cloud, "quick.test.", "TXT", 'NOERROR "word"')
    # Designate gathers changes for 5 seconds; by the clock, PowerDNS would look after a minute at the earliest.
    assert time.monotonic() - began < 30
    said = cloud.node.pod("designate-worker").running["transfers"].container.said()
    assert "is not a master" not in said, said
    assert "which is not a primary" not in said, said
    cloud.admin.dns.delete_zone(zone)


def a_lock_that_another_replica_holds_in_etcd_holds_up_who_changes_the_zone(cloud: RunningCloud) -> None:
    dns, zone = cloud.admin.dns, active_zone(cloud, "locked.test.")
    with ThreadPoolExecutor() as pool:
        holder = pool.submit(cloud.node.container("designate-central").run, ["python3", "-c", HOLD, f"zone-{zone.id}", "8"])
        time.sleep(4)
        began = time.monotonic()
        dns.update_zone(zone, ttl=600)
        waited = time.monotonic() - began
        end = holder.result()
    assert f"/tooz/lockszone-{zone.id}" in end.stdout.split(), end
    assert waited > 2
    dns.delete_zone(zone)


def who_answers_can_change_nothing(cloud: RunningCloud) -> None:
    zone = active_zone(cloud, "kept.test.")
    login = cloud.node.secret("designate-powerdns-reader-database")
    container = cloud.node.container("designate-central")
    done = container.run(["python3", "-c", CHANGE], READER=login["username"], PASSWORD=login["password"])
    assert int(done.stdout) >= 1
    assert "DELETE command denied" in done.stderr
    assert "kept.test." not in asked(cloud, "kept.test.", "AXFR", "tcp")
    cloud.admin.dns.delete_zone(zone)


def what_makes_and_hands_over_zones_is_seen_in_its_own_pod_alone(cloud: RunningCloud) -> None:
    address = cloud.node.pod("designate-worker").address
    for port in (5300, 5354, 8081):
        with socket.socket() as client:
            assert client.connect_ex((address, port)) != 0, port


def what_works_behind_the_api_reports_and_the_clean_up_runs(cloud: RunningCloud) -> None:
    wanted = {"central", "mdns", "producer", "worker"}

    def up() -> set[str]:
        found = cloud.admin.dns.get("/service_statuses").json()["service_statuses"]
        return {one["service_name"] for one in found if one["status"] == "UP"}

    until(lambda: up() >= wanted, "all services are up")
    assert cloud.node.run_now("designate-service-cleaner").phase == "Succeeded"
    assert up() >= wanted


SCENARIO = Scenario(
    services=["dns"],
    spec={"features": {"designate": {"backend": {"protocol": "tcp+udp"}}}},
    shows=[
        a_zone_is_answered_with_the_name_of_the_cloud_s_name_server,
        a_record_is_answered_over_udp_and_tcp_and_so_is_its_change_and_its_end,
        a_change_arrives_by_notification_and_not_by_the_clock,
        a_lock_that_another_replica_holds_in_etcd_holds_up_who_changes_the_zone,
        who_answers_can_change_nothing,
        what_makes_and_hands_over_zones_is_seen_in_its_own_pod_alone,
        what_works_behind_the_api_reports_and_the_clean_up_runs,
    ],
)
