from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from stackloom import StackloomError
from stackloom.manifests.workloads import Body
from tests.core.infra.brokers import GLANCE, NOVA, BuiltBroker, build_broker, load_cloud

EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
EXTERNAL = {"features": {"messaging": {"notifications": {"external": {"enabled": True, "topics": ["billing.eu", "Audit_1"]}}}}}


@pytest.fixture
def bus(tmp_path: Path) -> BuiltBroker:
    return build_broker(tmp_path, "rabbitmq-nova")


@pytest.fixture
def notifications(tmp_path: Path) -> BuiltBroker:
    return build_broker(tmp_path, "rabbitmq-notifications", spec=EXTERNAL)


def template(broker: BuiltBroker) -> Body:
    found: Body = broker.body("StatefulSet")["spec"]["template"]
    return found


def problems(spec: dict[str, Any]) -> list[str]:
    with pytest.raises(StackloomError) as raised:
        load_cloud(NOVA, GLANCE, spec=spec)
    return [f"{p.path}: {p.what}" for p in raised.value.problems]


def test_each_service_that_needs_a_bus_gets_one_of_its_own_and_all_share_one_for_notifications() -> None:
    cinder = type(NOVA)(name="cinder", type="block-storage", requires=frozenset({"messaging"}))
    names = [s.name for s in load_cloud(NOVA, GLANCE, cinder).services if s.backs]
    assert names == ["rabbitmq-cinder", "rabbitmq-notifications", "rabbitmq-nova"]


def test_a_bus_has_one_node_behind_a_service_of_its_name(bus: BuiltBroker) -> None:
    spec = bus.body("StatefulSet")["spec"]
    assert (spec["replicas"], spec["serviceName"]) == (1, "rabbitmq-nova")
    assert {p["name"]: p["port"] for p in bus.body("Service")["spec"]["ports"]} == {"amqp": 5672, "metrics": 15692}


def test_its_data_are_on_a_volume_and_under_a_name_that_stays(bus: BuiltBroker) -> None:
    (claim,) = bus.body("StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == bus.context.deployment.spec.local_volume_storage_class
    server = bus.container("rabbitmq-nova")
    assert {"name": claim["metadata"]["name"], "mountPath": "/var/lib/rabbitmq"} in server["volumeMounts"]
    assert {"name": "RABBITMQ_NODENAME", "value": "rabbit@localhost"} in server["env"]


def test_it_is_ready_when_it_listens_and_nothing_kills_it_while_it_recovers(bus: BuiltBroker) -> None:
    server = bus.container("rabbitmq-nova")
    assert server["readinessProbe"]["tcpSocket"] == {"port": "amqp"}
    assert "startupProbe" not in server
    alive = server["livenessProbe"]
    assert alive["exec"]["command"][:3] == ["rabbitmq-diagnostics", "-q", "ping"]
    assert alive["timeoutSeconds"] < alive["periodSeconds"]
    assert alive["periodSeconds"] * alive["failureThreshold"] >= 600


def test_the_service_may_do_everything_in_a_vhost_of_its_name_and_nobody_else_may_do_anything(bus: BuiltBroker) -> None:
    assert bus.access["vhosts"] == ["nova"]
    assert bus.access["users"] == [{"name": "nova", "permissions": {"nova": EVERYTHING}}]


def test_passwords_of_two_generations_are_valid_while_pods_roll(tmp_path: Path) -> None:
    bus = build_broker(tmp_path, "rabbitmq-nova", spec={"credentials": {"rotation": {"nova": 3}}})
    assert [u["name"] for u in bus.access["users"]] == ["nova-2", "nova-3"]
    (users,) = bus.context.credentials
    assert {key: value.source for key, value in users.keys.items()} == {
        "nova-2": ("nova-messaging-2", "password"),
        "nova-3": ("nova-messaging-3", "password"),
    }


@pytest.mark.parametrize("spec", [{"credentials": {"rotation": {"nova": 3}}}, {"features": {"stacklight": {"enabled": False}}}])
def test_users_come_and_go_without_a_change_of_the_pod(tmp_path: Path, spec: dict[str, Any]) -> None:
    (tmp_path / "a").mkdir()
    before = build_broker(tmp_path / "a", "rabbitmq-notifications")
    after = build_broker(tmp_path, "rabbitmq-notifications", spec=spec)
    assert before.access != after.access
    assert template(before) == template(after)


def test_another_service_that_notifies_does_not_change_the_pod(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    before = build_broker(tmp_path / "a", "rabbitmq-notifications", [NOVA])
    after = build_broker(tmp_path, "rabbitmq-notifications", [NOVA, GLANCE])
    assert after.rights("glance") == {"notifications": EVERYTHING}
    assert template(before) == template(after)


@pytest.mark.parametrize(("memory", "watermark"), [("2Gi", 1288490188), ("1500M", 900000000)])
def test_senders_wait_from_six_tenths_of_the_memory_limit_on(tmp_path: Path, memory: str, watermark: int) -> None:
    values = {"values": {"resources": {"server": {"limits": {"memory": memory}, "requests": {"memory": "1Gi"}}}}}
    bus = build_broker(tmp_path, "rabbitmq-nova", spec={"services": {"messaging": {"rabbitmq-nova": values}}})
    assert bus.container("rabbitmq-nova")["resources"]["limits"]["memory"] == memory
    assert bus.conf["vm_memory_high_watermark.absolute"] == str(watermark)


def test_management_is_for_its_own_pod_alone(bus: BuiltBroker) -> None:
    assert bus.conf["management.tcp.ip"] == "127.0.0.1"
    assert 15672 not in [p["containerPort"] for c in bus.pod["containers"] for p in c.get("ports", [])]
    assert bus.container("follow")["command"][-1] == f"http://127.0.0.1:{bus.conf['management.tcp.port']}"


def test_the_server_sees_hashes_and_its_helpers_the_passwords(bus: BuiltBroker) -> None:
    mounts = {c: {m["mountPath"] for m in bus.container(c)["volumeMounts"]} for c in ("define", "follow", "rabbitmq-nova")}
    assert {c for c, paths in mounts.items() if "/etc/rabbitmq-users" in paths} == {"define", "follow"}
    assert {c for c, paths in mounts.items() if "/run/administrator" in paths} == {"define", "follow"}
    assert {c for c, paths in mounts.items() if "/run/rabbitmq" in paths} == {"define", "rabbitmq-nova"}


@pytest.mark.parametrize(
    ("queue", "may_read"),
    [
        ("billing.eu.info", True),
        ("billing.eu.error", True),
        ("billing-eu.info", False),
        ("notifications.info", False),
        ("nova", False),
    ],
)
def test_a_consumer_outside_reads_the_queues_of_its_topic_and_no_others(
    notifications: BuiltBroker, queue: str, may_read: bool
) -> None:
    rights = notifications.rights("external-billing.eu")["notifications"]
    assert bool(re.search(rights["read"], queue)) == may_read
    assert not re.search(rights["write"], queue)
    assert not re.search(rights["configure"], queue)


def test_consumers_outside_come_by_tls_alone(notifications: BuiltBroker) -> None:
    spec = notifications.body("Service", "rabbitmq-notifications-external")["spec"]
    assert spec["type"] == "LoadBalancer"
    assert [p["port"] for p in spec["ports"]] == notifications.context.open_ports == [5671]
    assert notifications.conf["listeners.ssl.default"] == "5671"


def test_each_consumer_outside_has_a_password_of_its_own(notifications: BuiltBroker) -> None:
    users = {c.keys["username"].text: c.name for c in notifications.context.credentials if "username" in c.keys}
    assert users.keys() == {"stacklight", "external-billing.eu", "external-Audit_1"}
    (copies,) = (c.keys for c in notifications.context.credentials if c.name == "rabbitmq-notifications-users")
    assert {user: copies[user].source for user in users} == {user: (secret, "password") for user, secret in users.items()}


def test_nobody_comes_from_outside_unless_the_deployment_says_so(tmp_path: Path) -> None:
    broker = build_broker(tmp_path, "rabbitmq-notifications")
    assert [b["metadata"]["name"] for b in broker.component.bodies() if b["kind"] == "Service"] == ["rabbitmq-notifications"]
    assert "listeners.ssl.default" not in broker.conf
    assert broker.context.open_ports == []


def test_more_than_one_node_is_refused() -> None:
    values = {"values": {"replicas": {"server": 3}}}
    assert problems({"services": {"messaging": {"rabbitmq-nova": values, "rabbitmq-notifications": values}}}) == [
        f"spec.services.messaging.{name}.values.replicas.server: a bus has one node: "
        "several would know nothing of each other's messages"
        for name in ("rabbitmq-notifications", "rabbitmq-nova")
    ]


def test_the_topics_of_the_cloud_are_not_for_consumers_outside() -> None:
    external = {"enabled": True, "topics": ["billing", "notifications"]}
    (problem,) = problems({"features": {"messaging": {"notifications": {"external": external}}}})
    assert problem == (
        "spec.features.messaging.notifications.external.topics[1]: the topic 'notifications' is the cloud's own: "
        "a reader outside would take what others wait for"
    )
