from __future__ import annotations

from typing import Any

from volume_services import gone, names_of

PODS: list[dict[str, Any]] = [
    {"metadata": {"name": "cinder-volume-0"}, "spec": {"nodeName": "cp-1"}},
    {"metadata": {"name": "cinder-volume-rack-r1-7xk2p"}, "spec": {"nodeName": "store-1"}},
    {"metadata": {"name": "cinder-scheduler-0"}, "spec": {}},  # not on a node yet
]


def service(host: str, state: str = "down", binary: str = "cinder-volume") -> dict[str, str]:
    return {"binary": binary, "host": host, "state": state}


def test_services_are_called_as_their_pods_or_nodes() -> None:
    assert names_of(PODS) == {"cinder-volume-0", "cp-1", "cinder-volume-rack-r1-7xk2p", "store-1", "cinder-scheduler-0"}


def test_a_service_that_is_down_and_has_no_pod_is_gone() -> None:
    services = [service("cinder-volume-3@rbd"), service("old-api-7f", binary="cinder-scheduler")]
    assert gone(services, names_of(PODS)) == [("cinder-volume", "cinder-volume-3@rbd"), ("cinder-scheduler", "old-api-7f")]


def test_a_service_whose_pod_or_node_exists_stays_even_if_it_does_not_answer() -> None:
    services = [service("cinder-volume-0@rbd"), service("store-1@lvm"), service("cinder-scheduler-0")]
    assert gone(services, names_of(PODS)) == []


def test_a_service_that_answers_stays_wherever_it_is() -> None:
    assert gone([service("elsewhere@rbd", "up")], set()) == []
