from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom import StackloomError
from stackloom.infra.ingress import INGRESS
from tests.core.constructs.conftest import Built
from tests.core.infra.built import built

AGENT = "DaemonSet/ingress"


def ingress(folder: Path, **chosen: Any) -> Built:
    """Traefik, with what differs of ``spec.features.ingress``."""
    return built(INGRESS, folder, features={"ingress": chosen})


def config(of: Built) -> dict[str, Any]:
    """Traefik's configuration."""
    found: dict[str, Any] = yaml.safe_load(of.context.config_files["traefik.yml"].text)
    return found


def refused(folder: Path, **features: Any) -> list[str]:
    """The problems of the features."""
    with pytest.raises(StackloomError) as error:
        built(INGRESS, folder, features=features)
    return [f"{p.path}: {p.what}. {p.hint}" for p in error.value.problems]


# -- How it runs -------------------------------------------------------------------------------------------------------


def test_traefik_runs_on_each_node_of_the_control_plane_on_its_ports_80_and_443(tmp_path: Path) -> None:
    made = ingress(tmp_path)
    assert made.pod(AGENT)["nodeSelector"] == {"openstack-control-plane": "enabled"}
    ports = {p["name"]: (p["containerPort"], p.get("hostPort")) for p in made.container(AGENT)["ports"]}
    assert ports == {"http": (8000, 80), "https": (8443, 443), "metrics": (9100, None)}
    assert made.container(AGENT)["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_other_ports_of_the_nodes_are_those_to_which_http_is_sent(tmp_path: Path) -> None:
    made = ingress(tmp_path, host_ports={"http": 8080, "https": 6443})
    assert [p.get("hostPort") for p in made.container(AGENT)["ports"]] == [8080, 6443, None]
    assert config(made)["entryPoints"]["web"]["http"]["redirections"]["entryPoint"]["to"] == ":6443"


def test_a_load_balancer_takes_the_place_of_the_nodes_ports(tmp_path: Path) -> None:
    balancer = {"class_name": "metallb", "annotations": {"example.org/pool": "public"}, "source_ranges": ["192.0.2.0/24"]}
    made = ingress(tmp_path, expose="load-balancer", load_balancer=balancer, address="192.0.2.80")
    assert not any("hostPort" in p for p in made.container(AGENT)["ports"])
    service = made["Service/ingress"]
    assert service["metadata"]["annotations"] == {"example.org/pool": "public"}
    wanted = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerClass": "metallb"}
    assert {**wanted, "loadBalancerIP": "192.0.2.80", "loadBalancerSourceRanges": ["192.0.2.0/24"]}.items() <= service[
        "spec"
    ].items()
    assert {p["name"]: (p["port"], p["targetPort"]) for p in service["spec"]["ports"]} == {
        "http": (80, "http"),
        "https": (443, "https"),
    }


def test_the_kubelet_is_more_patient_than_traefik_which_lets_requests_end(tmp_path: Path) -> None:
    made = ingress(tmp_path)
    life = config(made)["entryPoints"]["websecure"]["transport"]["lifeCycle"]
    seconds = [int(life[key].removesuffix("s")) for key in ("requestAcceptGraceTimeout", "graceTimeOut")]
    assert sum(seconds) < made.pod(AGENT)["terminationGracePeriodSeconds"]
    assert made[AGENT]["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}


# -- What it does ------------------------------------------------------------------------------------------------------


def test_it_calls_nobody_outside_and_has_no_dashboard(tmp_path: Path) -> None:
    made = config(ingress(tmp_path))
    assert made["global"] == {"checkNewVersion": False, "sendAnonymousUsage": False}
    assert "api" not in made


def test_its_configuration_says_everything_where_it_is_meant(tmp_path: Path) -> None:
    text = ingress(tmp_path).context.config_files["traefik.yml"].text
    assert "&" not in text
    assert "*" not in text


def test_an_upload_may_take_hours(tmp_path: Path) -> None:
    timeouts = config(ingress(tmp_path))["entryPoints"]["websecure"]["transport"]["respondingTimeouts"]
    assert timeouts == {"readTimeout": "43200s"}
    longer = config(ingress(tmp_path / "longer", request_timeout=90000))["entryPoints"]["websecure"]["transport"]
    assert longer["respondingTimeouts"] == {"readTimeout": "90000s"}


def test_only_the_proxies_that_are_named_are_believed(tmp_path: Path) -> None:
    assert config(ingress(tmp_path))["entryPoints"]["websecure"]["forwardedHeaders"] == {"trustedIPs": []}
    trusting = config(ingress(tmp_path / "trusting", trusted_proxies=["192.0.2.0/28"]))["entryPoints"]
    assert trusting["websecure"]["forwardedHeaders"] == {"trustedIPs": ["192.0.2.0/28"]}


@pytest.mark.parametrize(
    ("chosen", "published"),
    [
        ({}, {"hostname": "cloud.example.org"}),
        ({"address": "192.0.2.80"}, {"ip": "192.0.2.80"}),
        ({"expose": "load-balancer"}, {"publishedService": "openstack/ingress"}),
    ],
)
def test_an_address_is_published_however_it_is_reached(tmp_path: Path, chosen: dict[str, Any], published: dict[str, str]) -> None:
    provider = config(ingress(tmp_path, **chosen))["providers"]["kubernetesIngress"]
    assert provider["ingressEndpoint"] == published


def test_it_follows_the_ingresses_of_its_class_in_the_clouds_namespace_alone(tmp_path: Path) -> None:
    made = ingress(tmp_path)
    provider = config(made)["providers"]["kubernetesIngress"]
    assert (provider["namespaces"], provider["ingressClass"]) == (["openstack"], "openstack")
    assert made["IngressClass/openstack"]["spec"] == {"controller": "traefik.io/ingress-controller"}


def test_it_follows_the_routes_of_a_gateway_instead(tmp_path: Path) -> None:
    made = ingress(tmp_path, routes="gateway", expose="load-balancer")
    provider = {"namespaces": ["openstack"], "statusAddress": {"service": {"name": "ingress", "namespace": "openstack"}}}
    assert config(made)["providers"]["kubernetesGateway"] == provider
    assert made["GatewayClass/openstack"]["spec"] == {"controllerName": "traefik.io/gateway-controller"}
    (listener,) = made["Gateway/openstack"]["spec"]["listeners"]
    assert (listener["hostname"], listener["tls"]["certificateRefs"]) == (
        "*.cloud.example.org",
        [{"name": "openstack-public-tls"}],
    )
    assert listener["port"] == next(p["containerPort"] for p in made.container(AGENT)["ports"] if p["name"] == "https")
    assert not made.bodies("IngressClass")


# -- What it may do ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("routes", ["ingress", "gateway"])
def test_it_reads_what_routes_are_made_of_and_writes_their_status_alone(tmp_path: Path, routes: str) -> None:
    made = ingress(tmp_path, routes=routes)
    rules = [*made["Role/ingress"]["rules"], *made["ClusterRole/openstack-ingress"]["rules"]]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"list", "watch", "update"}
    assert all(name.endswith("/status") for rule in rules if "update" in rule["verbs"] for name in rule["resources"])
    assert not any("secrets" in rule["resources"] for rule in made["ClusterRole/openstack-ingress"]["rules"])


def test_what_belongs_to_the_whole_cluster_is_named_after_the_namespace_and_has_none(tmp_path: Path) -> None:
    made = ingress(tmp_path)
    wide = [b for b in made.bodies() if b["kind"] in ("ClusterRole", "ClusterRoleBinding", "IngressClass")]
    assert {b["metadata"]["name"] for b in wide} == {"openstack", "openstack-ingress"}
    assert len(wide) == 3
    assert not any("namespace" in b["metadata"] for b in wide)


def test_anybody_may_call_it_and_monitoring_its_metrics(tmp_path: Path) -> None:
    assert ingress(tmp_path).context.open_ports == [8000, 8443]
    assert INGRESS.metrics_port == 9100


# -- What is asked for -------------------------------------------------------------------------------------------------


def test_nothing_is_made_where_the_cluster_has_a_controller(tmp_path: Path) -> None:
    assert ingress(tmp_path, existing={"namespace": "nginx", "ingress_class": "nginx"}).names == set()


REFERENCE = {"value_from": {"secret_key_ref": {"name": "tls", "key": "tls.key"}}}
CERTIFICATE = {"ca_cert": REFERENCE, "api_cert": REFERENCE, "api_key": REFERENCE}
EXISTING = {"namespace": "proxies", "ingress_class": "nginx"}


@pytest.mark.parametrize(
    ("features", "path", "what"),
    [
        (
            {"ssl": {"issuer": {"name": "acme"}, "public_endpoints": CERTIFICATE}},
            "ssl.issuer",
            "the certificate of the public endpoints is given in public_endpoints already. Keep one of the two",
        ),
        (
            {"ingress": {"existing": {"namespace": "proxies"}}},
            "ingress.existing",
            "ingress_class is missing: the routes are of the kind ingress. Add it, or change routes",
        ),
        (
            {"ingress": {"existing": {**EXISTING, "gateway": {"name": "public", "namespace": "proxies"}}}},
            "ingress.existing.gateway",
            "changes nothing: the routes are of the kind ingress. Remove it, or change routes",
        ),
        (
            {"ingress": {"existing": EXISTING, "request_timeout": 60}},
            "ingress.request_timeout",
            "changes nothing: the controller is an existing one. Remove it",
        ),
        (
            {"ingress": {"load_balancer": {"class_name": "metallb"}}},
            "ingress.load_balancer",
            "changes nothing: Traefik is exposed by host-ports. Remove it",
        ),
        (
            {"ingress": {"host_ports": {"http": 443}}},
            "ingress.host_ports",
            "HTTP and HTTPS cannot have one port. Take another for one of them",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, features: dict[str, Any], path: str, what: str) -> None:
    (found,) = refused(tmp_path, **features)
    assert found == f"spec.features.{path}: {what}"
