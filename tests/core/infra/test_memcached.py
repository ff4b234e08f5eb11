from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from stackloom.infra.memcached import MEMCACHED
from tests.core.constructs.conftest import Built
from tests.core.infra.built import built

SERVERS = "StatefulSet/memcached"


@pytest.fixture
def memcached(tmp_path: Path) -> Built:
    return built(MEMCACHED, tmp_path)


def options(memcached: Built) -> dict[str, str]:
    words = memcached.container(SERVERS)["command"]
    return {word: value for word, value in pairwise(words) if word.startswith("-")}


@pytest.mark.parametrize(("size", "instances"), [("single", 1), ("tiny", 3), ("small", 3), ("medium", 3)])
def test_there_are_as_many_instances_as_clients_are_told_of(tmp_path: Path, size: str, instances: int) -> None:
    memcached = built(MEMCACHED, tmp_path, size=size)
    assert memcached[SERVERS]["spec"]["replicas"] == len(memcached.context.memcached_servers()) == instances


def test_clients_are_told_the_names_that_the_headless_service_gives(memcached: Built) -> None:
    service = memcached[f"Service/{memcached[SERVERS]['spec']['serviceName']}"]
    assert service["spec"]["clusterIP"] == "None"
    domain = f"{service['metadata']['name']}.openstack.svc.cluster.local:{service['spec']['ports'][0]['port']}"
    assert memcached.context.memcached_servers() == [f"memcached-{i}.{domain}" for i in range(3)]


@pytest.mark.parametrize(
    ("size", "memory", "connections", "limit"), [("single", "256", "2048", "416Mi"), ("medium", "2048", "16384", "2432Mi")]
)
def test_memory_and_connections_grow_with_the_cloud(tmp_path: Path, size: str, memory: str, connections: str, limit: str) -> None:
    memcached = built(MEMCACHED, tmp_path, size=size)
    assert (options(memcached)["-m"], options(memcached)["-c"]) == (memory, connections)
    assert memcached.container(SERVERS)["resources"]["limits"]["memory"] == limit


def test_the_limit_follows_what_the_operator_chooses(tmp_path: Path) -> None:
    memcached = built(MEMCACHED, tmp_path, features={"memcached": {"memory_mib": 4096, "connections": 1000}})
    assert (options(memcached)["-m"], options(memcached)["-c"]) == ("4096", "1000")
    assert memcached.container(SERVERS)["resources"] == {
        "requests": {"cpu": "100m", "memory": "4160Mi"},
        "limits": {"memory": "4736Mi"},
    }


def test_there_is_no_udp_no_dump_of_keys_and_no_watching(memcached: Built) -> None:
    assert options(memcached)["-U"] == "0"
    assert {"-X", "-W"} <= set(memcached.container(SERVERS)["command"])


def test_it_runs_as_the_images_own_user(memcached: Built) -> None:
    assert memcached.pod(SERVERS)["securityContext"]["runAsUser"] == 11211


def test_metrics_come_from_a_container_beside_it(memcached: Built) -> None:
    (exporter,) = [c for c in memcached.pod(SERVERS)["containers"] if c["name"] == "exporter"]
    assert "--memcached.address=localhost:11211" in exporter["command"]
    assert [port["containerPort"] for port in exporter["ports"]] == [MEMCACHED.metrics_port]
    assert "--web.listen-address=:9150" in exporter["command"]


def test_a_node_that_is_drained_takes_one_instance_at_a_time(memcached: Built) -> None:
    assert memcached["PodDisruptionBudget/memcached"]["spec"]["maxUnavailable"] == 1


def test_the_services_share_the_key_of_their_tokens_and_the_cache_does_not_have_it(memcached: Built) -> None:
    (key,) = memcached.context.credentials
    assert (key.name, key.keys["key"].kind, key.readers) == ("memcached-token-key", "password", {"cinder"})


def test_the_options_of_its_page_are_taken(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "memcached.md"
    (example,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    assert built(MEMCACHED, tmp_path, **yaml.safe_load(example)["spec"]).bodies()
