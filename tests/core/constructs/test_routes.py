from __future__ import annotations

from typing import Any

from stackloom.constructs.routes import existing_objects, public_hosts
from tests.core.constructs.conftest import Build, Built


def api(ctx: Any) -> None:
    ctx.api(command=["glance-api"], config=[])


def built(build_service: Build, **ingress: Any) -> Built:
    """The API of the sample service, with what differs of ``spec.features.ingress``."""
    return build_service(api, spec={"features": {"ingress": ingress}})


def test_an_ingress_leads_the_host_to_the_service_by_https(build_service: Build) -> None:
    spec = built(build_service)["Ingress/glance-api"]["spec"]
    assert spec["ingressClassName"] == "openstack"
    assert spec["tls"] == [{"hosts": ["glance.cloud.example.org"], "secretName": "openstack-public-tls"}]
    (rule,) = spec["rules"]
    assert rule["host"] == "glance.cloud.example.org"
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "glance-api", "port": {"name": "tls"}}


def test_who_calls_public_endpoints_can_have_a_copy_of_their_authority(build_service: Build) -> None:
    made = build_service(lambda ctx: ctx.worker("w", command=["w"], config=[ctx.public_authority("/etc/glance/public/ca.crt")]))
    (copy,) = made.context.credentials
    assert (copy.name, copy.readers) == ("glance-public-authority", {"glance"})
    (volume,) = [v for v in made.pod("Deployment/glance-w")["volumes"] if v["name"] == "etc-glance-public"]
    assert volume["projected"]["sources"][0]["secret"] == {
        "name": "glance-public-authority",
        "items": [{"key": "ca.crt", "path": "ca.crt"}],
    }


def test_what_an_issuer_has_signed_is_trusted_without_a_copy(build_service: Build) -> None:
    asked: list[object] = []
    spec = {"features": {"ssl": {"issuer": {"name": "public"}}}}
    build_service(lambda ctx: asked.append(ctx.public_authority("/etc/glance/public/ca.crt")), spec=spec)
    assert asked == [None]


def test_an_http_route_attaches_the_host_to_the_clouds_own_gateway(build_service: Build) -> None:
    made = built(build_service, routes="gateway")
    assert not made.bodies("Ingress")
    spec = made["HTTPRoute/glance-api"]["spec"]
    assert spec["parentRefs"] == [{"name": "openstack", "sectionName": "https"}]
    assert spec["hostnames"] == ["glance.cloud.example.org"]
    assert spec["rules"][0]["backendRefs"] == [{"name": "glance-api", "port": 8443}]


def test_an_existing_controller_gets_the_routes_and_is_let_in(build_service: Build) -> None:
    made = built(build_service, existing={"namespace": "nginx", "ingress_class": "public"})
    assert made["Ingress/glance-api"]["spec"]["ingressClassName"] == "public"
    policy = made["NetworkPolicy/glance-api-public"]["spec"]
    (rule,) = policy["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "nginx"}}}]
    assert rule["ports"] == [{"port": 9292, "protocol": "TCP"}]
    assert policy["podSelector"]["matchLabels"]["application"] == "glance"


def test_an_existing_gateway_gets_the_routes_on_the_listener_that_is_named(build_service: Build) -> None:
    gateway = {"name": "public", "namespace": "proxies", "listener": "tls"}
    made = built(build_service, routes="gateway", existing={"namespace": "proxies", "gateway": gateway})
    parent = {"name": "public", "namespace": "proxies", "sectionName": "tls"}
    assert made["HTTPRoute/glance-api"]["spec"]["parentRefs"] == [parent]


def test_nobody_is_let_in_where_everybody_may_come(build_service: Build) -> None:
    features = {"network_policies": {"enabled": False}, "ingress": {"existing": {"namespace": "n", "ingress_class": "c"}}}
    assert not build_service(api, spec={"features": features}).bodies("NetworkPolicy")


def test_what_a_controller_must_have_is_known(build_service: Build) -> None:
    gateway = {"name": "public", "namespace": "proxies"}
    made = built(build_service, routes="gateway", existing={"namespace": "proxies", "gateway": gateway})
    assert existing_objects(made.context.deployment) == {"Gateway": ["public"]}
    assert existing_objects(built(build_service, existing={"namespace": "n", "ingress_class": "c"}).context.deployment) == {
        "IngressClass": ["c"]
    }


def test_an_issuer_must_be_there(build_service: Build) -> None:
    made = build_service(api, spec={"features": {"ssl": {"issuer": {"name": "acme"}}}})
    assert existing_objects(made.context.deployment) == {"ClusterIssuer": ["acme"]}


def test_the_public_hosts_are_those_of_all_services(build_service: Build) -> None:
    deployment = build_service(api).context.deployment
    assert public_hosts(deployment) == ["glance.cloud.example.org", "keystone.cloud.example.org"]
