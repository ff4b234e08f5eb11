from __future__ import annotations

from typing import Any

from stackloom.constructs.tls_proxy import trusted_by_gateway
from tests.core.constructs.conftest import Build, Built


def api(ctx: Any) -> None:
    ctx.api(command=["glance-api"], config=[])


def containers(made: Built) -> dict[str, Any]:
    return {c["name"]: c for c in made["Deployment/glance-api"]["spec"]["template"]["spec"]["containers"]}


def test_a_proxy_in_the_pod_ends_tls_before_the_api(build_service: Build) -> None:
    made = build_service(api)
    assert containers(made)["tls-proxy"]["ports"] == [{"name": "tls", "containerPort": 8443, "protocol": "TCP"}]
    text = made.context.config_files["glance-api-haproxy.cfg"].text
    assert "bind :8443 ssl crt /etc/haproxy/tls/api.pem" in text
    assert "server api 127.0.0.1:9292" in text


def test_its_certificate_is_the_services_own_and_has_the_name_that_the_ingress_asks_for(build_service: Build) -> None:
    made = build_service(api)
    (credential,) = made.context.credentials
    assert (credential.name, credential.readers) == ("glance-tls", {"glance"})
    assert credential.keys["tls.crt"].text == "api.openstack.svc.cluster.local"
    assert credential.keys["tls.crt"].source == ("openstack-internal-authority", "")


def test_traefik_is_told_to_speak_tls_to_it(build_service: Build) -> None:
    annotations = build_service(api)["Service/glance-api"]["metadata"]["annotations"]
    assert annotations == {
        "traefik.ingress.kubernetes.io/service.serversscheme": "https",
        "traefik.ingress.kubernetes.io/service.serverstransport": "internal@file",
    }


def test_a_gateway_is_told_by_a_policy(build_service: Build) -> None:
    made = build_service(api, spec={"features": {"ingress": {"routes": "gateway"}}})
    who = made.context.identity("glance-api", "api")
    assert made["BackendTLSPolicy/glance-api"] == trusted_by_gateway(made.context, who)
    assert made["BackendTLSPolicy/glance-api"]["spec"]["validation"]["hostname"] == "api.openstack.svc.cluster.local"


def test_there_is_none_where_it_is_not_wanted_or_nobody_could_be_told(build_service: Build) -> None:
    off = {"ssl": {"tls_proxy": {"enabled": False}}}
    foreign = {"ingress": {"existing": {"namespace": "nginx", "ingress_class": "public"}}}
    for features in (off, foreign):
        made = build_service(api, spec={"features": features})
        assert set(containers(made)) == {"glance-api"}
        assert made["Ingress/glance-api"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] == {"name": "api"}
