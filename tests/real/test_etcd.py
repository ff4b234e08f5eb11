"""Members of the real etcd, from their manifests."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackloom.constructs.coordination import coordination_url
from tests.real.certificates import Authority
from tests.real.etcd import EtcdCluster, Member, etcd_cluster, wait_for
from tests.real.parts import absent

pytestmark = pytest.mark.real

# Two services that want the same lock, one after the other, as Cinder asks for it.
LOCKING = """
import sys
from tooz import coordination

first, second = (coordination.get_coordinator(sys.argv[1], name) for name in (b"first", b"second"))
for coordinator in (first, second):
    coordinator.start(start_heart=True)
held = first.get_lock(b"volume-1")
assert held.acquire(blocking=False)
assert not second.get_lock(b"volume-1").acquire(blocking=False)
assert held.release()
assert second.get_lock(b"volume-1").acquire(blocking=False)
for coordinator in (first, second):
    coordinator.stop()
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Three members that tests leave as they are."""
    with etcd_cluster(tmp_path_factory.mktemp("etcd")) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[EtcdCluster]:
    """Three members of the test's own, not started."""
    with etcd_cluster(tmp_path) as cluster:
        yield cluster


def read_locally(cluster: EtcdCluster, member: Member, key: str) -> str:
    """What a member has itself, whatever the others say."""
    return cluster.ctl("get", key, "--print-value-only", "--consistency=s", at=member).strip()


def test_three_empty_members_found_a_cluster(running: EtcdCluster) -> None:
    assert sorted(running.listed()) == ["etcd-member-0", "etcd-member-1", "etcd-member-2"]
    running.ctl("put", "k", "v", at=running.members[0])
    assert running.ctl("get", "k", "--print-value-only", at=running.members[2]).strip() == "v"


def test_a_client_without_a_certificate_is_refused(running: EtcdCluster) -> None:
    env = running.client_env()
    nameless = {name: value for name, value in env.items() if name not in ("ETCDCTL_CERT", "ETCDCTL_KEY")}
    assert running.try_ctl("get", "k", env=env)[0] == 0
    assert running.try_ctl("get", "k", env=nameless)[0] != 0


def test_a_certificate_of_another_authority_is_refused(running: EtcdCluster, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("client", "client")
    env = running.client_env() | {"ETCDCTL_CERT": str(certificate), "ETCDCTL_KEY": str(key)}
    assert running.try_ctl("get", "k", env=env)[0] != 0


def peers_answer(cluster: EtcdCluster, files: str) -> bool:
    """Whether a member answers other members' requests of somebody with these certificates."""
    from members import Identity, Unavailable

    stranger = Identity(f"{files}/ca.crt", f"{files}/tls.crt", f"{files}/tls.key")
    try:
        listed = stranger.call(f"https://localhost:{cluster.members[0].ports['peer']}/members")
    except Unavailable:
        return False
    return len(listed) == 3


def test_a_clients_certificate_opens_no_port_of_the_members(running: EtcdCluster) -> None:
    running.client_env()
    assert peers_answer(running, f"{running.members[1].root}/etc/etcd/tls")
    assert not peers_answer(running, f"{running.folder}/client/etc/etcd/client")


def test_the_defragmenting_task_reaches_every_member(running: EtcdCluster) -> None:
    command = running.pods["CronJob/etcd-defragment"]["containers"][0]["command"]
    done = subprocess.run(command, env=running.client_env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Finished defragmenting etcd member") == 3


def test_metrics_are_served_without_a_certificate_and_tell_the_quota(running: EtcdCluster) -> None:
    with urllib.request.urlopen(f"http://localhost:{running.members[0].ports['metrics']}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    (quota,) = [float(line.split()[1]) for line in lines if line.startswith("etcd_server_quota_backend_bytes ")]
    assert quota == 512 * 1024 * 1024


def test_openstacks_driver_takes_a_lock_at_our_url(running: EtcdCluster) -> None:
    if not importlib.util.find_spec("tooz") or not importlib.util.find_spec("etcd3gw"):
        absent("tooz and etcd3gw are not installed (make .venv/.ready-dev)")
    running.client_env()
    url = running.local(coordination_url(running.built.context))
    # Variables like REQUESTS_CA_BUNDLE overrule the authority that the URL names: a Pod must not have them.
    env = {name: value for name, value in os.environ.items() if not name.endswith("_CA_BUNDLE")}
    done = subprocess.run([sys.executable, "-c", LOCKING, url], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_member_that_lost_its_disk_comes_back_under_a_new_identity_and_with_the_data(cluster: EtcdCluster) -> None:
    cluster.start()
    cluster.ctl("put", "k", "v")
    before, lost = cluster.listed(), cluster.members[1]
    lost.lose_disk()
    cluster.start(lost)
    after = cluster.listed()
    assert {name for name in before if before[name] != after[name]} == {lost.name}
    assert after.keys() == before.keys()
    assert read_locally(cluster, lost, "k") == "v"


def test_a_member_with_data_starts_with_it_whoever_else_is_there(cluster: EtcdCluster) -> None:
    cluster.start()
    cluster.ctl("put", "k", "v")
    before = cluster.listed()
    cluster.stop()
    cluster.start(*cluster.members[:2])
    assert cluster.listed() == before
    assert read_locally(cluster, cluster.members[0], "k") == "v"


def test_an_empty_member_founds_nothing_while_others_may_have_data(cluster: EtcdCluster) -> None:
    cluster.start()
    cluster.ctl("put", "k", "v")
    first, second, lost = cluster.members
    cluster.stop()
    lost.lose_disk()
    lost.settle()
    wait_for("it waits for both", lambda: f"no answer from {first.name}, {second.name}" in lost.said(), lost.said)
    first.run()
    second_away = f"no answer from {second.name}"
    wait_for("it waits for the other", lambda: second_away in lost.said(), lost.said)
    cluster.start(second)
    lost.start()
    cluster.await_health(lost)
    assert lost.name in cluster.listed(at=first)
    assert read_locally(cluster, lost, "k") == "v"


def test_a_member_without_a_majority_is_not_ready_but_lives(cluster: EtcdCluster) -> None:
    cluster.start()
    left, *others = cluster.members
    assert (cluster.probe("readinessProbe", left), cluster.probe("livenessProbe", left)) == (200, 200)
    for member in others:
        member.stop()
    wait_for("it notices", lambda: cluster.probe("readinessProbe", left) == 503, left.said)
    assert cluster.probe("livenessProbe", left) == 200


def test_members_that_all_lost_their_disks_found_a_new_cluster(cluster: EtcdCluster) -> None:
    cluster.start()
    for member in cluster.members:
        member.lose_disk()
    cluster.start()
    assert len(cluster.listed()) == 3


def test_a_single_member_becomes_three_and_keeps_its_data(tmp_path: Path) -> None:
    with etcd_cluster(tmp_path, size="single") as cluster:
        cluster.start()
        cluster.ctl("put", "k", "v")
        cluster.resize(size="tiny")
        cluster.stop()
        cluster.start(cluster.members[0])
        cluster.start(*cluster.members[1:])
        assert len(cluster.listed()) == 3
        assert read_locally(cluster, cluster.members[2], "k") == "v"


def test_a_snapshot_is_taken_with_a_clients_certificate(running: EtcdCluster, tmp_path: Path) -> None:
    running.ctl("put", "in-the-snapshot", "v")
    running.ctl("snapshot", "save", str(tmp_path / "etcd.db"))
    status = json.loads(running.ctl("snapshot", "status", str(tmp_path / "etcd.db"), "--write-out=json"))
    assert status["totalKey"] > 0
    assert b"in-the-snapshot" in (tmp_path / "etcd.db").read_bytes()
