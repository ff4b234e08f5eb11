"""The brokers, run from their manifests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pika
import pytest
from pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from stackloom.constructs.access import bus_options
from tests.core.infra.brokers import build_broker
from tests.real.certificates import Authority
from tests.real.openstack import environment
from tests.real.programs.running import finished
from tests.real.rabbitmq import BrokerPod, broker_pod, soon
from tests.real.servers import LOOPBACK

pytestmark = pytest.mark.real

REFUSED = (AuthenticationError, ProbableAuthenticationError, ProbableAccessDeniedError)
DURABLE = pika.BasicProperties(delivery_mode=2)
# After this time the list of its quorum queues, as it was, is on the broker's disk.
FILED_SECONDS = 1
EXTERNAL = {"features": {"messaging": {"notifications": {"external": {"enabled": True, "topics": ["billing"]}}}}}


@pytest.fixture(scope="module")
def nova(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerPod]:
    broker = build_broker(tmp_path_factory.mktemp("synth"), "rabbitmq-nova", spec={"credentials": {"rotation": {"nova": 2}}})
    with broker_pod(broker, tmp_path_factory.mktemp("pod")) as pod:
        yield pod


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def notifications(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[BrokerPod]:
    broker, root = (
        build_broker(tmp_path_factory.mktemp("synth"), "rabbitmq-notifications", spec=EXTERNAL),
        tmp_path_factory.mktemp("pod"),
    )
    (certificate,) = (c.keys["tls.crt"] for c in broker.context.credentials if c.name == "rabbitmq-notifications-tls")
    files = authority.issue("broker", "broker", addresses=tuple(certificate.text.split(",")))
    (root / "etc/rabbitmq-tls").mkdir(parents=True)
    for name, file in zip(("ca.crt", "tls.crt", "tls.key"), (authority.certificate, *files), strict=True):
        shutil.copy(file, root / "etc/rabbitmq-tls" / name)
    with broker_pod(broker, root) as pod:
        yield pod


def lets_in(pod: BrokerPod, user: str, vhost: str, password: str = "") -> bool:
    try:
        with pod.channel(user, vhost, password):
            return True
    except REFUSED:
        return False


def queue(pod: BrokerPod, name: str, kind: str = "quorum", user: str = "nova") -> str:
    vhost = pod.broker.access["vhosts"][0]
    with pod.channel(user, vhost) as channel:
        channel.queue_declare(name, durable=True, arguments={"x-queue-type": kind})
        channel.basic_publish("", name, b"hello", DURABLE, mandatory=True)
    return name


def taken(pod: BrokerPod, name: str, user: str = "nova") -> bytes | None:
    vhost = pod.broker.access["vhosts"][0]
    with pod.channel(user, vhost) as channel:
        return channel.basic_get(name, auto_ack=True)[2]


def test_the_user_of_a_service_sends_and_receives_in_its_vhost(nova: BrokerPod) -> None:
    assert taken(nova, queue(nova, "orders")) == b"hello"


@pytest.mark.parametrize("vhost", ["/", "notifications", "neutron"])
def test_it_is_let_into_no_other_vhost(nova: BrokerPod, vhost: str) -> None:
    nova.tool("rabbitmqctl", "add_vhost", vhost)
    assert not lets_in(nova, "nova", vhost)


@pytest.mark.parametrize(
    ("user", "password"), [("guest", "guest"), ("nova", "guess"), ("stackloom", "stackloom"), ("nobody", "-")]
)
def test_who_has_no_account_is_refused(nova: BrokerPod, user: str, password: str) -> None:
    assert not lets_in(nova, user, "nova", password)


def test_there_is_no_user_that_is_not_listed_but_the_sidecar_s_own(nova: BrokerPod) -> None:
    users = nova.tool("rabbitmqctl", "-q", "--no-table-headers", "list_users").split("\n")
    assert {line.split("\t")[0] for line in users if line} == {"nova", "nova-2", "stackloom"}


def test_passwords_of_both_generations_are_good(nova: BrokerPod) -> None:
    assert [lets_in(nova, user, "nova") for user in ("nova", "nova-2")] == [True, True]


def test_the_memory_watermark_is_that_of_the_configuration(nova: BrokerPod) -> None:
    limit = nova.tool("rabbitmqctl", "eval", "vm_memory_monitor:get_memory_limit().").strip()
    assert limit == nova.broker.conf["vm_memory_high_watermark.absolute"] == str(2**30 * 6 // 10)


def test_the_probes_find_server_and_sidecar_alive(nova: BrokerPod) -> None:
    nova.tool(*nova.probe(nova.server))
    assert finished(nova.probe("follow"), {}).returncode == 0


def test_the_probe_notices_a_sidecar_that_hangs(nova: BrokerPod) -> None:
    nova.send("follow", signal.SIGSTOP)
    os.utime(nova.root / "run/administrator/password", (0, 0))
    assert finished(nova.probe("follow"), {}).returncode == 1
    nova.send("follow", signal.SIGCONT)
    soon(lambda: finished(nova.probe("follow"), {}).returncode == 0, "the sidecar to go on")


def test_monitoring_reads_metrics_under_the_name_of_the_bus(nova: BrokerPod) -> None:
    with urllib.request.urlopen(f"http://{LOOPBACK}:{nova.port('metrics')}/metrics", timeout=20) as answer:
        assert 'rabbitmq_cluster="rabbitmq-nova"' in answer.read().decode()


def test_what_nobody_takes_from_a_queue_is_forgotten_in_the_end(nova: BrokerPod) -> None:
    queue(nova, "bounded")
    policies = nova.tool("rabbitmqctl", "-q", "list_queues", "-p", "nova", "name", "policy").splitlines()
    assert "bounded\trpc" in policies
    (line,) = nova.tool("rabbitmqctl", "-q", "--no-table-headers", "list_policies", "-p", "nova").splitlines()
    assert json.loads(line.split("\t")[4]) == {"expires": 3600000, "message-ttl": 3600000}


@pytest.mark.parametrize("kind", ["quorum", "classic"])
def test_a_durable_message_survives_a_kill_and_a_restart(nova: BrokerPod, kind: str) -> None:
    name = queue(nova, f"kept-{kind}", kind)
    time.sleep(FILED_SECONDS)
    with nova.channel("nova", "nova") as channel:
        channel.basic_publish("", name, b"confirmed a moment before", DURABLE, mandatory=True)
    nova.kill()
    nova.start()
    assert [taken(nova, name) for _ in range(2)] == [b"hello", b"confirmed a moment before"]


@pytest.fixture
def service(nova: BrokerPod, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A service of OpenStack on its bus; it answers each number with its double."""
    python = f"{environment()}/bin/python"
    options = "".join(f"{name} = {value}\n" for name, value in bus_options().items())
    (tmp_path / "conf").write_text(f"[oslo_messaging_rabbit]\n{options}")
    url = f"rabbit://nova:{nova.passwords['nova']}@{LOOPBACK}:{nova.port('amqp')}/nova"
    command = [python, "-W", "ignore", str(Path(__file__).with_name("rpc_service.py")), str(tmp_path / "conf"), url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "serving\n"
        yield process
        process.kill()


def asked(service: subprocess.Popen[str], number: int) -> str:
    assert service.stdin
    assert service.stdout
    service.stdin.write(f"{number}\n")
    service.stdin.flush()
    return service.stdout.readline().strip()


def test_a_service_makes_no_queue_that_rabbitmq_4_refuses(nova: BrokerPod, service: subprocess.Popen[str]) -> None:
    assert asked(service, 21) == "42"
    found = nova.tool("rabbitmqctl", "-q", "--no-table-headers", "list_queues", "-p", "nova", "name", "durable", "type")
    kinds = dict(line.split("\t", 1) for line in found.splitlines())
    assert {"conductor", "conductor.one", "notifications.info"} < kinds.keys()
    assert {kind for name, kind in kinds.items() if name.startswith(("conductor", "reply_", "notifications"))} == {"true\tquorum"}


def test_a_service_goes_on_when_its_bus_was_killed(nova: BrokerPod, service: subprocess.Popen[str]) -> None:
    assert asked(service, 1) == "2"
    time.sleep(FILED_SECONDS)
    nova.kill()
    nova.start()
    assert asked(service, 21) == "42"


def test_a_rotated_password_is_taken_up_while_it_runs_and_the_one_before_dies(nova: BrokerPod) -> None:
    before = nova.passwords["nova-2"]
    nova.set_password("nova-2")
    soon(lambda: nova.said("changed the password of user nova-2"), "the new password")
    assert lets_in(nova, "nova-2", "nova")
    assert not lets_in(nova, "nova-2", "nova", before)


def test_a_server_that_restarts_alone_does_not_go_back_to_the_password_of_before(nova: BrokerPod) -> None:
    nova.set_password("nova-2")
    changed = "changed the password of user nova-2"
    before = nova.said(changed)
    soon(lambda: nova.said(changed) > before, "the new password")
    nova.kill(nova.server)
    soon(lambda: "trying again: the broker does not answer" in nova.log("follow").read_text(), "the sidecar to notice")
    nova.start_server()
    soon(lambda: nova.said(changed) > before + 1, "the new password, again")
    assert lets_in(nova, "nova-2", "nova")
    assert nova.runs("follow")


def test_a_generation_that_is_retired_ends_with_its_connections(nova: BrokerPod, tmp_path: Path) -> None:
    with nova.channel("nova", "nova") as channel:
        nova.configure(build_broker(tmp_path, "rabbitmq-nova", spec={"credentials": {"rotation": {"nova": 3}}}))
        nova.set_password("nova-3")
        soon(lambda: nova.said("deleted user nova") and nova.said("made user nova-3"), "the change of users")
        with pytest.raises(AMQPError):
            channel.connection.sleep(20)
    assert [lets_in(nova, user, "nova") for user in ("nova", "nova-2", "nova-3")] == [False, True, True]


def test_what_a_person_changes_by_hand_is_put_right(notifications: BrokerPod) -> None:
    notifications.tool("rabbitmqctl", "add_user", "visitor", "visitor")
    notifications.tool("rabbitmqctl", "clear_permissions", "-p", "notifications", "nova")
    notifications.tool("rabbitmqctl", "clear_policy", "-p", "notifications", "notices")
    lines = [
        "deleted user visitor",
        "set what user nova may do in vhost notifications",
        "set policy notices of vhost notifications",
    ]
    for line in lines:
        soon(partial(notifications.said, line), line)
    assert lets_in(notifications, "nova", "notifications")


def test_a_consumer_outside_takes_what_is_sent_to_its_topic_and_nothing_else(notifications: BrokerPod) -> None:
    for name in ("billing.info", "notifications.info"):
        queue(notifications, name)
    assert taken(notifications, "billing.info", "external-billing") == b"hello"
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        taken(notifications, "notifications.info", "external-billing")
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        queue(notifications, "billing.info", user="external-billing")


def test_a_consumer_outside_knows_the_broker_by_its_public_name(notifications: BrokerPod, authority: Authority) -> None:
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    tls = pika.SSLOptions(trust, "notifications.cloud.example.org")
    with notifications.channel("external-billing", "notifications", tls=tls) as channel:
        assert channel.is_open


def test_a_vhost_that_nobody_wants_is_kept_and_reported(notifications: BrokerPod) -> None:
    notifications.tool("rabbitmqctl", "add_vhost", "old")
    soon(lambda: "hold messages: old" in notifications.log("follow").read_text(), "the report")
    assert "old" in notifications.tool("rabbitmqctl", "-q", "list_vhosts").split()
