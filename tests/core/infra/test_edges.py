"""Which calls the policies of a whole cloud let through: every edge of the graph, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stackloom import Output
from stackloom.checks.connections import addresses, behind
from stackloom.checks.index import Index, Workload
from stackloom.checks.policies import Policies
from tests.core.infra.cloud import cloud, plugins

OPEN = [
    ("ingress/DaemonSet/ingress", "keystone/Deployment/keystone-api", 8443),
    ("ingress/DaemonSet/ingress", "cinder/Deployment/cinder-api", 8443),
    ("cinder/Deployment/cinder-api", "keystone/Deployment/keystone-api", 5000),
    ("cinder/Deployment/cinder-api", "etcd/StatefulSet/etcd-member", 2379),
    ("cinder/Deployment/cinder-api", "rabbitmq-cinder/StatefulSet/rabbitmq-cinder", 5672),
    ("cinder/Deployment/cinder-api", "rabbitmq-notifications/StatefulSet/rabbitmq-notifications", 5672),
    ("keystone/Deployment/keystone-api", "memcached/StatefulSet/memcached", 11211),
    ("etcd/StatefulSet/etcd-member", "etcd/StatefulSet/etcd-member", 2380),
    ("etcd/CronJob/etcd-defragment", "etcd/StatefulSet/etcd-member", 2379),
]
SHUT = [
    ("ingress/DaemonSet/ingress", "keystone/Deployment/keystone-api", 5000),
    ("cinder/Deployment/cinder-api", "keystone/Deployment/keystone-api", 8443),
    ("keystone/Deployment/keystone-api", "cinder/Deployment/cinder-api", 8776),
    ("keystone/Deployment/keystone-api", "etcd/StatefulSet/etcd-member", 2379),
    ("keystone/Deployment/keystone-api", "rabbitmq-cinder/StatefulSet/rabbitmq-cinder", 5672),
    ("cinder/Deployment/cinder-api", "etcd/StatefulSet/etcd-member", 2380),
    ("cinder/Deployment/cinder-api", "rabbitmq-cinder/StatefulSet/rabbitmq-cinder", 15692),
    ("cinder/Deployment/cinder-api", "ingress/DaemonSet/ingress", 9100),
    ("ingress/DaemonSet/ingress", "memcached/StatefulSet/memcached", 11211),
    ("ingress/DaemonSet/ingress", "rabbitmq-notifications/StatefulSet/rabbitmq-notifications", 5672),
    ("rabbitmq-cinder/StatefulSet/rabbitmq-cinder", "keystone/Deployment/keystone-api", 5000),
    ("memcached/StatefulSet/memcached", "etcd/StatefulSet/etcd-member", 2379),
    ("local-volume-provisioner/DaemonSet/local-volume-provisioner", "memcached/StatefulSet/memcached", 11211),
]


@pytest.fixture
def index(manifests: Callable[..., list[Output]]) -> Index:
    return Index(manifests(cloud(), plugins=plugins()))


def workload(index: Index, path: str) -> Workload:
    return next(w for w in index.workloads if w.output.path == path)


def test_every_edge_is_open(index: Index):
    policies = Policies(index)
    assert [e for e in OPEN if not policies.allow(workload(index, e[0]), workload(index, e[1]), e[2])] == []


def test_what_is_no_edge_is_shut(index: Index):
    policies = Policies(index)
    assert [e for e in SHUT if policies.allow(workload(index, e[0]), workload(index, e[1]), e[2])] == []


def test_the_check_of_calls_sees_what_services_call(index: Index):
    api = workload(index, "cinder/Deployment/cinder-api")
    called = {(service, port) for service, _, port in addresses(api, index)}
    assert {("keystone-api", "5000"), ("etcd", "2379"), ("memcached", "11211"), ("rabbitmq-cinder", "5672")} <= called
    assert [w.output.name for w, _ in behind("etcd", "openstack", 2379, index)] == ["etcd-member"]


def test_every_pod_is_governed(index: Index):
    """A Pod without a policy of its own can call nobody, and says so by having none that selects it beyond the default."""
    governed = {
        w for policy in index.of_kind("NetworkPolicy") if policy.name != "default-deny"
        for w in index.selected(policy.namespace, policy.body["spec"]["podSelector"])
    }  # fmt: skip
    assert {w.output.component for w in index.workloads if w not in governed} == {"image-cache"}
