from __future__ import annotations

from typing import Any

import pytest

from stackloom import Container, InterfaceAddress, Mount, NodeRole, ServiceContext, StackloomError
from tests.core.constructs.conftest import Build

AGENT = "DaemonSet/glance-agent"


def agent(ctx: ServiceContext, **more: Any) -> Any:
    return ctx.agent(
        "agent", role_of_nodes=NodeRole.COMPUTE, command=["agent", "--config-file=/etc/glance/glance-api.conf"], **more
    )


def on_its_node(ctx: ServiceContext, **more: Any) -> Any:
    config = [ctx.oslo_config("glance-api.conf", {"DEFAULT": {"bind_host": InterfaceAddress("ens4")}})]
    return agent(ctx, config=config, **more)


def test_what_needs_no_probes_shows_its_connection_to_the_bus(build_service: Build):
    container = build_service(agent).container(AGENT)
    assert container["readinessProbe"]["exec"]["command"][-1] == "ready"
    assert container["livenessProbe"]["exec"]["command"][-1] == "alive"
    assert any(mount["mountPath"] == "/opt/stackloom/programs" for mount in container["volumeMounts"])


def test_what_hears_the_bus_of_notifications_alone_shows_its_connection_to_that(build_service: Build):
    container = build_service(agent, service={"requires": frozenset({"identity", "notifications"})}).container(AGENT)
    asked = ["ready", "OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL"]
    assert container["readinessProbe"]["exec"]["command"][-2:] == asked


def test_what_hears_no_bus_can_show_its_connection_to_something_else(build_service: Build):
    container = build_service(lambda ctx: agent(ctx, connected_to="OS_DATABASE__CONNECTION")).container(AGENT)
    assert container["readinessProbe"]["exec"]["command"][-2:] == ["ready", "OS_DATABASE__CONNECTION"]
    assert container["livenessProbe"]["exec"]["command"][-2:] == ["alive", "OS_DATABASE__CONNECTION"]


def test_what_has_no_bus_must_say_how_it_shows_that_it_lives(build_service: Build):
    with pytest.raises(StackloomError, match="nothing shows whether 'glance-agent' is ready"):
        build_service(agent, service={"requires": frozenset({"identity"})})


def test_a_file_that_differs_by_node_is_written_there_before_it_is_read(build_service: Build):
    built = build_service(lambda ctx: on_its_node(ctx, host_network=True))
    writes = next(c for c in built.pod(AGENT)["initContainers"] if c["name"] == "node-files")
    assert writes["command"][-2:] == ["/etc/glance/glance-api.conf", "/run/stackloom/glance/glance-api.conf"]
    assert built.container(AGENT)["command"] == ["agent", "--config-file=/run/stackloom/glance/glance-api.conf"]
    seen = [[m for m in c["volumeMounts"] if m["mountPath"] == "/run/stackloom/glance"] for c in (writes, built.container(AGENT))]
    assert seen[0] == seen[1] != []


def test_a_command_before_reads_it_where_it_was_written(build_service: Build):
    built = build_service(lambda ctx: on_its_node(ctx, host_network=True, before=[["check", "/etc/glance/glance-api.conf"]]))
    step = built.pod(AGENT)["initContainers"][-1]
    assert step["command"] == ["check", "/run/stackloom/glance/glance-api.conf"]


def test_a_pod_with_a_network_of_its_own_cannot_have_an_address_of_the_node(build_service: Build):
    with pytest.raises(StackloomError, match="does not see"):
        build_service(on_its_node)


def test_two_containers_see_one_directory_of_the_node_each_at_a_place_of_its_own(build_service: Build):
    beside = Container(name="beside", image="i", command=["b"], mounts=[Mount.host("/run/x", at="/seen", read_only=True)])
    mine = Mount.host("/run/x", propagation="Bidirectional")
    pod = build_service(lambda ctx: agent(ctx, mounts=[mine], sidecars=[beside])).pod(AGENT)
    (volume,) = [v for v in pod["volumes"] if "hostPath" in v]
    found = [next(m for m in c["volumeMounts"] if m["name"] == volume["name"]) for c in pod["containers"]]
    assert found[0] == {"name": "run-x", "mountPath": "/run/x", "mountPropagation": "Bidirectional"}
    assert found[1] == {"name": "run-x", "mountPath": "/seen", "readOnly": True}


def test_volumes_of_one_path_and_different_content_are_told_apart(build_service: Build):
    beside = Container(name="beside", image="i", command=["b"], mounts=[Mount.claim("/data", "images")])
    pod = build_service(lambda ctx: agent(ctx, mounts=[Mount.host("/data")], sidecars=[beside])).pod(AGENT)
    names = {v["name"] for v in pod["volumes"] if "hostPath" in v or "persistentVolumeClaim" in v}
    assert names == {"data", "data-2"}


def test_commands_before_run_in_containers_like_its_own_after_other_init_containers(build_service: Build):
    first = Container(name="first", image="i", command=["f"])
    pod = build_service(lambda ctx: agent(ctx, before=[["prepare"]], init=[first], host_network=True)).pod(AGENT)
    assert [c["name"] for c in pod["initContainers"]] == ["gate", "first", "step-1"]
    step, main = pod["initContainers"][-1], pod["containers"][0]
    assert (step["env"], step["command"]) == (main["env"], ["prepare"])
    assert "livenessProbe" not in step
