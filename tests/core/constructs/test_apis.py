from __future__ import annotations

import pytest

from stackloom import BySize, Endpoint, Gate, Resources, StackloomError
from tests.core.constructs.conftest import GLANCE, Build

API = "Deployment/glance-api"


def api(ctx, **more):
    config = ctx.oslo_config("glance-api.conf", {"DEFAULT": {"backlog": 1}})
    return ctx.api(**{"wsgi": "glance.wsgi:application", "config": config, **more})


def test_a_public_api_is_a_deployment_behind_a_service_and_an_ingress(build_service: Build):
    built = build_service(api)
    assert built.names == {API, "Service/glance-api", "Ingress/glance-api", "PodDisruptionBudget/glance-api"}
    assert built["Ingress/glance-api"]["spec"]["rules"][0]["host"] == "glance.cloud.example.org"


def test_an_api_that_is_not_public_has_no_ingress(build_service: Build):
    internal = (Endpoint(service="glance-api", port=9292, type="image"),)
    assert "Ingress/glance-api" not in build_service(api, service={"endpoints": internal}).names


def test_a_single_replica_has_no_budget_and_nothing_to_spread(build_service: Build):
    built = build_service(lambda ctx: api(ctx, replicas=1))
    assert "PodDisruptionBudget/glance-api" not in built.names
    assert "topologySpreadConstraints" not in built.pod(API)


@pytest.mark.parametrize(("size", "replicas"), [("single", 1), ("tiny", 2), ("small", 3), ("medium", 4)])
def test_replicas_follow_the_size(build_service: Build, size: str, replicas: int):
    by_size = BySize(tiny=2, small=3, medium=4)
    built = build_service(lambda ctx: api(ctx, replicas=by_size), spec={"size": size})
    assert built[API]["spec"]["replicas"] == replicas


def test_the_operators_replicas_and_resources_win(build_service: Build):
    values = {"replicas": {"api": 7}, "resources": {"api": {"limits": {"memory": "8Gi"}}}}
    built = build_service(
        lambda ctx: api(ctx, resources=Resources(memory="1Gi")), spec={"services": {"image": {"glance": {"values": values}}}}
    )
    assert built[API]["spec"]["replicas"] == 7
    assert built.container(API)["resources"] == {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "8Gi"}}


def test_uwsgi_serves_the_application_with_as_many_processes_as_the_size_wants(build_service: Build):
    built = build_service(lambda ctx: api(ctx, workers=BySize(single=5, tiny=2, small=2, medium=2)))
    assert built.container(API)["command"] == ["uwsgi", "--ini", "/etc/glance/glance-api-uwsgi.ini"]
    text = built.context.config_files["glance-api-uwsgi.ini"].text
    assert "processes = 5\n" in text
    assert "http-socket = 0.0.0.0:9292\n" in text


def test_another_server_is_started_by_its_own_command(build_service: Build):
    built = build_service(lambda ctx: api(ctx, wsgi="", command=["glance-api"]))
    assert built.container(API)["command"] == ["glance-api"]
    assert "glance-api-uwsgi.ini" not in built.context.config_files


def test_the_server_gets_the_services_credentials_and_what_it_is_given(build_service: Build):
    env = build_service(lambda ctx: api(ctx, env={"EXTRA": "1"})).env(API)
    assert env["DB_PASSWORD"] == "glance-database/password"
    assert env["OS_KEYSTONE_AUTHTOKEN__PASSWORD"] == "glance-service-user/password"
    assert env["MESSAGING_USER"] == "glance-messaging/username"
    assert env["EXTRA"] == "1"


def test_pods_wait_for_what_the_service_requires_and_for_what_they_come_after(build_service: Build):
    def build(ctx):
        api(ctx, after=[ctx.migrate_database(["glance-manage", "db_sync"], config=[]), Gate(services=("ceph",))])

    assert build_service(build).waits_for(API) == {
        "GATE_SERVICES": "mariadb,rabbitmq-glance,keystone-api,ceph",
        "GATE_JOBS": "glance-db-sync",
        "GATE_RELEASE": "gazpacho",
    }


def test_others_wait_for_the_service_in_front_of_it(build_service: Build):
    awaited = []
    build_service(lambda ctx: awaited.append(api(ctx).awaited))
    assert awaited == [Gate(services=("glance-api",))]


def test_probes_ask_the_path_that_needs_no_token(build_service: Build):
    probe = build_service(lambda ctx: api(ctx, health="/v3")).container(API)["readinessProbe"]
    assert probe["httpGet"] == {"path": "/v3", "port": "api"}


def test_commands_that_come_first_share_the_writable_directories(build_service: Build):
    built = build_service(lambda ctx: api(ctx, before=[["prepare"], ["check"]], writable=["/run/glance"]))
    steps = [c for c in built.pod(API)["initContainers"] if c["name"] != "gate"]
    assert [(c["name"], c["command"]) for c in steps] == [("step-1", ["prepare"]), ("step-2", ["check"])]
    assert all(any(m["mountPath"] == "/run/glance" for m in c["volumeMounts"]) for c in steps)
    assert not any("ports" in c for c in steps)


def test_an_endpoint_that_the_service_has_not_declared_is_a_problem(build_service: Build):
    with pytest.raises(StackloomError, match="has no endpoint 'apo'. Did you mean 'api'?"):
        build_service(lambda ctx: api(ctx, endpoint="apo"))


def test_each_endpoint_has_a_deployment_of_its_own(build_service: Build):
    metadata = Endpoint(service="glance-metadata", port=8775, name="metadata")

    def build(ctx):
        api(ctx)
        api(ctx, role="metadata", endpoint="metadata")

    built = build_service(build, service={"endpoints": (*GLANCE.endpoints, metadata)})
    assert {"Deployment/glance-api", "Deployment/glance-metadata"} <= built.names
    assert built["Service/glance-metadata"]["spec"]["ports"][0] == {
        "name": "metadata",
        "port": 8775,
        "targetPort": "metadata",
        "protocol": "TCP",
    }
