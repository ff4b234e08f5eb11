"""Which infrastructure comes with the services that were chosen."""

from __future__ import annotations

from stackloom import Service
from stackloom.spec.selection import select


def _build(_: object) -> None:
    """Nothing: what is built is not looked at here."""


def service(name: str, *needs: str, preset: bool = True, **more: str) -> Service:
    presets = frozenset({"core"} if preset else ())
    return Service(name=name, type=more.pop("type", name), requires=frozenset(needs), presets=presets, build=_build, **more)  # type: ignore[arg-type]


KEYSTONE = service("keystone", "cache")
NOVA = service("nova", "messaging")
CINDER = service("cinder", "coordination", preset=False)
MEMCACHED = service("memcached", preset=False, backs="cache")
ETCD = service("etcd", preset=False, backs="coordination", type="coordination")
BUS = service("rabbitmq-nova", preset=False, backs="messaging", type="messaging", client="nova")
OTHER_BUS = service("rabbitmq-heat", preset=False, backs="messaging", type="messaging", client="heat")
INGRESS = service("ingress", preset=False, backs="ingress")
ALL = [KEYSTONE, NOVA, CINDER, MEMCACHED, ETCD, BUS, OTHER_BUS, INGRESS]


def chosen(*asked: str) -> set[str]:
    data = {"spec": {"preset": "core", "features": {"services": list(asked)} if asked else {}}}
    return {s.name for s in select(data, ALL).services}


def test_infrastructure_comes_with_the_services_that_need_it():
    assert chosen() == {"keystone", "nova", "memcached", "rabbitmq-nova", "ingress"}
    assert chosen("cinder") == {"cinder", "etcd", "ingress"}


def test_a_broker_comes_with_its_client_alone():
    assert "rabbitmq-heat" not in chosen("nova")


def test_infrastructure_that_is_listed_comes_without_being_needed_but_for_what_serves_one_service():
    assert chosen("keystone", "coordination", "messaging") == {"keystone", "memcached", "etcd", "ingress"}


def test_what_is_not_built_yet_brings_nothing():
    heat = Service(name="heat", type="heat", requires=frozenset({"messaging"}), presets=frozenset({"core"}))
    assert {s.name for s in select({"spec": {"preset": "core"}}, [heat, OTHER_BUS]).services} == set()
