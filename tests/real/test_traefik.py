"""Users' requests through the real Traefik, by the objects of a cloud, on a real Kubernetes API."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stackloom.constructs.routes import PUBLIC_TLS_SECRET
from stackloom.constructs.tls_proxy import TRUSTED
from stackloom.testing.synthesis import Synthesis
from tests.bad_inputs import patched
from tests.core.infra.cloud import cloud, plugins
from tests.real.certificates import Authority
from tests.real.cluster import Cluster, Object
from tests.real.control_plane import ControlPlane
from tests.real.traefik import Traefik, gateway_definitions, metrics, require_traefik, traefik, wait_for

pytestmark = pytest.mark.real

KEYSTONE, CINDER = "keystone.cloud.example.org", "cinder.cloud.example.org"
PODS = {"keystone-api": ("192.0.2.11", 8443), "cinder-api": ("192.0.2.12", 8443)}
ROUTES = {"ingress": "Ingress", "gateway": "HTTPRoute"}


def objects_of(namespace: str, routes: str, folder: Path, **chosen: Any) -> list[Object]:
    """What a cloud's output holds for its users' way to its APIs. ``chosen`` is what else differs of the ingress."""
    deployment = patched(cloud({"ingress": {"routes": routes, **chosen}}), {"metadata": {"namespace": namespace}})
    with Synthesis.below(folder) as manifests:
        output = manifests(deployment, plugins=plugins())
    wanted = ("Service", ROUTES[routes], "BackendTLSPolicy")
    return [dict(o.body) for o in output if o.component == "ingress" or (o.kind in wanted and o.name in PODS)]


def endpoints(namespace: str, *, ready: bool = True) -> Iterator[Object]:
    """What the cluster's controllers would write of the Pods."""
    for service, (address, port) in PODS.items():
        labels = {"kubernetes.io/service-name": service}
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{service}-1", "namespace": namespace, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "tls", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": ready, "serving": ready}}],
        }


def tls_secret(namespace: str, authority: Authority, name: str) -> Object:
    """The Secret of the public endpoints, with a certificate for all of them."""
    pair = zip(("tls.crt", "tls.key"), authority.issue(name, name, addresses=("*.cloud.example.org",)), strict=True)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": PUBLIC_TLS_SECRET, "namespace": namespace},
        "data": {key: base64.b64encode(file.read_bytes()).decode() for key, file in pair},
    }


def trusted(namespace: str, authority: Authority) -> Object:
    """The Secret with whom the ingress trusts behind it."""
    meta = {"name": TRUSTED, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"ca.crt": authority.certificate.read_text()}}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def serving(cluster: Cluster, namespace: str, routes: str, authority: Authority, folder: Path) -> Iterator[Traefik]:
    """A Traefik that serves all hosts of a cloud in the namespace."""
    secrets = [tls_secret(namespace, authority, "first"), trusted(namespace, authority)]
    objects = [*objects_of(namespace, routes, folder), *endpoints(namespace), *secrets]
    with traefik(cluster, namespace, objects, folder, authority) as running:
        for host in (KEYSTONE, CINDER):
            wait_for(f"asked for {host}", partial(running.serves, host), running.log)
        yield running


@pytest.fixture(scope="module", params=sorted(ROUTES))
def place(
    request: pytest.FixtureRequest, kubernetes: Cluster, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str, Traefik]]:
    """Kind of the routes, namespace, and the Traefik that follows them."""
    require_traefik()
    if request.param == "gateway":
        kubernetes.apply(gateway_definitions())
    namespace = kubernetes.new_namespace()
    with serving(kubernetes, namespace, request.param, authority, tmp_path_factory.mktemp("traefik")) as running:
        yield ROUTES[request.param], namespace, running
    kubernetes.delete_namespace(namespace)


@pytest.fixture
def running(place: tuple[str, str, Traefik]) -> Traefik:
    return place[2]


@pytest.mark.parametrize(("host", "service"), [(KEYSTONE, "keystone-api"), (CINDER, "cinder-api")])
def test_a_public_host_leads_to_the_pods_of_its_service(running: Traefik, host: str, service: str) -> None:
    answer = running.ask(host, "/v3")
    address, port = PODS[service]
    assert (answer.told["pod"], answer.told["path"]) == (f"{address}:{port}", "/v3")
    assert answer.told["headers"]["host"] == host


def test_a_host_that_nothing_serves_is_not_found(running: Traefik) -> None:
    assert running.ask("mallory.cloud.example.org").status == 404
    assert running.ask("keystone.example.com", trusting=False).status == 404


def test_a_service_without_a_ready_pod_is_unavailable(place: tuple[str, str, Traefik], kubernetes: Cluster) -> None:
    _, namespace, running = place
    kubernetes.apply(endpoints(namespace, ready=False))
    wait_for("asked for Cinder", lambda: running.ask(CINDER).status != 200, running.log)
    assert running.ask(CINDER).status == 503
    kubernetes.apply(endpoints(namespace))
    wait_for("asked for Cinder again", lambda: running.serves(CINDER) and running.serves(KEYSTONE), running.log)


def test_http_sends_everybody_to_https(running: Traefik) -> None:
    answer = running.ask(KEYSTONE, "/v3?x=1", port="web")
    assert (answer.status, answer.where) == (301, f"https://{KEYSTONE}/v3?x=1")


def test_a_service_learns_how_it_was_called_and_no_client_can_tell_it_otherwise(running: Traefik) -> None:
    forged = {"X-Forwarded-Proto": "http", "X_Forwarded_Proto": "http", "X-Forwarded-Host": "mallory.example.com"}
    headers = running.ask(KEYSTONE, headers=forged).told["headers"]
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-host"] == KEYSTONE
    assert "x_forwarded_proto" not in headers


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_an_old_tls_is_refused(running: Traefik) -> None:
    with pytest.raises(ssl.SSLError):
        running.secured(CINDER, latest=ssl.TLSVersion.TLSv1_1)
    running.secured(CINDER, latest=ssl.TLSVersion.TLSv1_2).close()


def test_the_certificate_is_that_of_the_secret_and_a_new_one_needs_no_restart(
    place: tuple[str, str, Traefik], kubernetes: Cluster, authority: Authority
) -> None:
    _, namespace, running = place

    def served() -> Any:
        with running.secured(KEYSTONE) as connection:
            return (connection.getpeercert() or {})["subject"][0][0][1]

    assert served() == "first"
    kubernetes.apply([tls_secret(namespace, authority, "second")])
    wait_for("looked for the second certificate", lambda: served() == "second", running.log)


def test_a_large_body_arrives_whole(running: Traefik) -> None:
    answer = running.ask(CINDER, "/v2/images/1/file", body=(bytes(1 << 20) for _ in range(64)))
    assert answer.told["size"] == 64 << 20


@pytest.mark.parametrize("path", ["/v1/bucket//a/../b", "/v1/bucket/a%2Fb%3B%25", "/v1/bucket/a;b"])
def test_the_name_of_an_object_arrives_as_it_was_written(running: Traefik, path: str) -> None:
    assert running.ask(KEYSTONE, path).told["path"] == path


def test_a_console_keeps_its_connection(running: Traefik) -> None:
    lines = ("GET /vnc HTTP/1.1", f"Host: {KEYSTONE}", "Connection: Upgrade", "Upgrade: websocket")
    with running.secured(KEYSTONE) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
        for typed in (b"one", b"two"):
            connection.sendall(typed)
            assert connection.recv(4096) == typed


def test_the_routes_say_where_they_are_reached(place: tuple[str, str, Traefik], kubernetes: Cluster) -> None:
    kind, namespace, running = place

    def status(api: str, kind: str, name: str) -> dict[str, Any]:
        wanted = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
        found: dict[str, Any] = kubernetes.request("GET", kubernetes.path(wanted)).object.get("status", {})
        return found

    def true_conditions(conditions: list[dict[str, Any]]) -> set[str]:
        return {c["type"] for c in conditions if c["status"] == "True"}

    if kind == "Ingress":
        found = lambda: status("networking.k8s.io/v1", "Ingress", "keystone-api").get("loadBalancer")  # noqa: E731
        assert wait_for("looked at the status", found, running.log) == {"ingress": [{"hostname": "cloud.example.org"}]}
        return
    api = "gateway.networking.k8s.io/v1"
    (parent,) = wait_for("looked at the route", lambda: status(api, "HTTPRoute", "keystone-api").get("parents"), running.log)
    assert true_conditions(parent["conditions"]) == {"Accepted", "ResolvedRefs"}
    gateway = status(api, "Gateway", "openstack")
    assert gateway["addresses"] == [{"type": "Hostname", "value": "cloud.example.org"}]
    assert true_conditions(gateway["conditions"]) >= {"Accepted", "Programmed"}


def test_its_rights_are_enough(running: Traefik) -> None:
    assert "forbidden" not in running.log.read_text()


def test_it_shows_that_it_lives_and_its_metrics_and_no_dashboard(running: Traefik) -> None:
    assert metrics(running, "/ping") == (200, "OK")
    assert 'traefik_service_requests_total{code="200"' in metrics(running)[1]
    assert [metrics(running, path)[0] for path in ("/dashboard/", "/api/rawdata", "/debug/pprof/")] == [404, 404, 404]


def test_its_log_holds_no_token(running: Traefik) -> None:
    running.ask(KEYSTONE, "/vnc?token=hidden", headers={"X-Auth-Token": "hidden"})
    wait_for("looked for the request", lambda: '"RequestPath":"/vnc' in running.log.read_text(), running.log)
    assert "hidden" not in running.log.read_text()


@pytest.mark.parametrize("routes", sorted(ROUTES))
def test_the_api_takes_a_load_balancer_and_warns_of_nothing(
    kubernetes: Cluster, namespace: str, routes: str, tmp_path: Path
) -> None:
    kubernetes.apply(gateway_definitions())
    balancer = {"class_name": "example.org/one", "annotations": {"example.org/pool": "a"}, "source_ranges": ["192.0.2.0/24"]}
    objects = objects_of(namespace, routes, tmp_path, expose="load-balancer", load_balancer=balancer, address="192.0.2.80")
    assert "LoadBalancer" in [o["spec"].get("type") for o in objects if o["kind"] == "Service"]
    assert kubernetes.dry_run(objects).warnings == ()


def test_told_to_end_it_serves_on_while_load_balancers_look_away(
    kubernetes: Cluster, namespace: str, authority: Authority, tmp_path: Path
) -> None:
    with serving(kubernetes, namespace, "ingress", authority, tmp_path) as running:
        running.process.terminate()
        wait_for("waited for the signal", lambda: "I have to go" in running.log.read_text(), running.log)
        assert running.serves(KEYSTONE)
        assert running.process.poll() is None


def test_without_the_api_of_kubernetes_it_serves_what_it_knows(
    api_server: ControlPlane, kubernetes: Cluster, namespace: str, authority: Authority, tmp_path: Path
) -> None:
    with serving(kubernetes, namespace, "ingress", authority, tmp_path) as running, api_server.api_stopped():
        assert running.ask(CINDER).status == 200
