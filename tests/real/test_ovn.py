"""OVN's own daemons, from their manifests."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.real.ovn import OvnNode, open_vswitch, ovn_node, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

MEMBERS = tuple(f"ovn-ovsdb-nb-{i}" for i in range(3))
NBCTL = ("ovn-nbctl", "--db=unix:/run/ovn/ovsdb.sock", "--no-leader-only")


def status(node: OvnNode, name: str) -> str:
    return node.run(name, "ovs-appctl", "-t", "/run/ovn/ovsdb.ctl", "cluster/status", "OVN_Northbound")


def identities(node: OvnNode) -> dict[str, tuple[str, str]]:
    """Of each member, by its own word: the cluster and the member in it."""
    found = {}
    for name in MEMBERS:
        said = status(node, name)
        cluster, server = (re.search(rf"^{what} ID: \w+ \((.+)\)$", said, re.MULTILINE) for what in ("Cluster", "Server"))
        assert cluster
        assert server
        found[name] = (cluster[1], server[1])
    return found


def one_cluster(node: OvnNode) -> str:
    """The one cluster that all members are in, each knowing just the others."""
    (cluster,) = {cluster for cluster, _ in identities(node).values()}
    for name in MEMBERS:
        listed = re.findall(r"^ +(\w+) \(\w+ at ssl:(ovn-ovsdb-nb-\d)\.", status(node, name), re.MULTILINE)
        assert {who: short for short, who in listed} == {n: sid[:4] for n, (_, sid) in identities(node).items()}
        assert len(listed) == 3
    return cluster


def leader(node: OvnNode) -> str:
    def look() -> str:
        return next((n for n in MEMBERS if n in node.pods and re.search("^Leader: self$", status(node, n), re.MULTILINE)), "")

    return str(wait_for("there is a leader", look, node.said))


def switches(node: OvnNode, name: str) -> set[str]:
    return set(re.findall(r"\((\S+)\)", node.run(name, *NBCTL, "ls-list")))


@pytest.fixture(scope="module")
def northbound() -> Iterator[OvnNode]:
    """Three members of the northbound database, which all tests leave ready."""
    with ovn_node(size="small") as node:
        node.start(*MEMBERS)
        node.await_ready(*MEMBERS)
        yield node


def test_three_empty_members_found_one_cluster(northbound: OvnNode) -> None:
    one_cluster(northbound)
    northbound.run(MEMBERS[1], *NBCTL, "ls-add", "founded")
    assert all("founded" in switches(northbound, name) for name in MEMBERS)


def test_clients_are_listened_to_by_every_member_and_only_with_a_certificate(northbound: OvnNode) -> None:
    files = ["/etc/ovn/tls/tls.key", "/etc/ovn/tls/tls.crt", "/etc/ovn/tls/ca.crt"]
    trust = [f"--{option}={file}" for option, file in zip(("private-key", "certificate", "ca-cert"), files, strict=True)]
    for name in MEMBERS:
        url = f"ssl:{name}.ovn-ovsdb-nb-members.openstack.svc.cluster.local:6641"
        ask = ["ovn-nbctl", f"--db={url}", "--no-leader-only", "--timeout=5"]
        probe = [*ask, *trust, "--bare", "--columns=inactivity_probe", "list", "connection"]
        assert northbound.run(MEMBERS[0], *probe).split() == ["60000"]
        assert northbound.main(MEMBERS[0]).run([*ask, "show"]).returncode != 0


def test_a_leader_that_is_told_to_go_hands_over_at_once(northbound: OvnNode) -> None:
    before = leader(northbound)
    (container,) = (c for c in northbound.pods[before].body["spec"]["containers"] if "lifecycle" in c)
    rest = [name for name in MEMBERS if name != before]
    northbound.run(before, *container["lifecycle"]["preStop"]["exec"]["command"])
    began = time.monotonic()
    wait_for("another leads", lambda: any("Leader: self" in status(northbound, name) for name in rest), northbound.said)
    assert time.monotonic() - began < 2
    northbound.await_ready(*MEMBERS)


def test_a_leader_that_is_killed_is_replaced_and_comes_back_as_who_it_was(northbound: OvnNode) -> None:
    before, killed = identities(northbound), leader(northbound)
    northbound.run(killed, *NBCTL, "ls-add", "before-the-kill")
    northbound.kill(killed)
    wait_for("it is seen to be gone", lambda: not northbound.pods[killed].is_ready())
    northbound.await_ready(*MEMBERS)
    assert identities(northbound) == before
    assert all("before-the-kill" in switches(northbound, name) for name in MEMBERS)


def test_a_member_that_lost_its_disk_leaves_and_joins_anew_with_all_data(northbound: OvnNode) -> None:
    northbound.run(MEMBERS[0], *NBCTL, "ls-add", "on-three-disks")
    before, lost = identities(northbound), MEMBERS[2]
    northbound.delete(lost)
    northbound.lose_disk(lost)
    northbound.start(lost)
    northbound.await_ready(*MEMBERS)
    after = identities(northbound)
    assert {name for name in MEMBERS if after[name] != before[name]} == {lost}
    assert one_cluster(northbound) == before[lost][0]
    assert "on-three-disks" in switches(northbound, lost)


def test_all_restarted_and_the_first_without_its_disk_are_still_the_same_cluster(northbound: OvnNode) -> None:
    northbound.run(MEMBERS[0], *NBCTL, "ls-add", "through-the-night")
    before, first = one_cluster(northbound), MEMBERS[0]
    northbound.delete(*MEMBERS)
    northbound.lose_disk(first)
    northbound.start(first)
    away = f"no answer from {', '.join(MEMBERS[1:])}"
    wait_for("the empty one waits for both", lambda: away in northbound.said(first), lambda: northbound.said(first))
    northbound.start(*MEMBERS[1:])
    northbound.await_ready(*MEMBERS)
    assert one_cluster(northbound) == before
    assert all("through-the-night" in switches(northbound, name) for name in MEMBERS)


def test_without_a_majority_a_member_is_not_ready_and_lives(northbound: OvnNode) -> None:
    northbound.delete(*MEMBERS[1:])
    wait_for("it is not ready", lambda: northbound.probe(MEMBERS[0], "readinessProbe") != 0, northbound.said)
    assert northbound.probe(MEMBERS[0], "livenessProbe") == 0
    northbound.start(*MEMBERS[1:])
    northbound.await_ready(*MEMBERS)


def test_a_node_becomes_a_gateway_and_its_flows_outlive_the_controller() -> None:
    databases, rest = ("ovn-ovsdb-nb-0", "ovn-ovsdb-sb-0"), ("ovn-northd", "ovn-controller-gateway")
    with ovn_node(size="single") as node, open_vswitch(node) as switch:
        node.start(*databases)
        node.await_ready(*databases)
        node.start(*rest)
        node.await_ready(*rest)

        def southbound(table: str, *columns: str) -> list[str]:
            words = ("--bare", f"--columns={','.join(columns)}", "list", table)
            return node.run("ovn-ovsdb-sb-0", "ovn-sbctl", "--db=unix:/run/ovn/ovsdb.sock", *words).split()

        assert southbound("chassis", "name") == [switch.system_id()]
        (options,) = ({*" ".join(southbound("chassis", "other_config")).split()},)
        assert {"ovn-cms-options=enable-chassis-as-gw", "ovn-bridge-mappings=physnet1:br-ex"} <= options
        assert sorted(southbound("encap", "type", "ip")) == ["10.244.0.1", "geneve"]
        wait_for("there are flows", switch.flows, node.said)
        node.delete("ovn-controller-gateway")
        assert switch.flows()
