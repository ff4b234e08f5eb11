"""Infrastructure is held to what is held of every service."""

from __future__ import annotations

from stackloom.testing.suite import ServiceContract


class TestEtcd(ServiceContract):
    service = "etcd"


class TestIngress(ServiceContract):
    service = "ingress"


class TestMariadb(ServiceContract):
    service = "mariadb"


class TestMemcached(ServiceContract):
    service = "memcached"


class TestNotifications(ServiceContract):
    service = "rabbitmq-notifications"


class TestStorage(ServiceContract):
    service = "local-volume-provisioner"
