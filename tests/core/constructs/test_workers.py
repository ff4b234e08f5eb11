from __future__ import annotations

import pytest

from stackloom import Gate, NodeRole, Privilege, Probes
from stackloom.constructs.component import manifest_text
from tests.core.constructs.conftest import Build

ALIVE = Probes(command=("true",))
WORKER = "Deployment/glance-cleaner"


def worker(ctx, **more):
    return ctx.worker("cleaner", **{"command": ["glance-cleaner"], "probes": ALIVE, **more})


def store(ctx, **more):
    return ctx.stateful("store", **{"command": ["store"], "probes": ALIVE, "ports": {"peer": 4444}, **more})


def agents(ctx, **more):
    wanted = {"role_of_nodes": NodeRole.COMPUTE, "command": ["agent"], "probes": ALIVE, **more}
    return [ctx.agent("agent", variant=variant, **wanted) for variant in ctx.variants()]


def test_a_worker_is_a_deployment_without_a_service(build_service: Build):
    built = build_service(worker)
    assert built.names == {WORKER}
    assert built.container(WORKER)["command"] == ["glance-cleaner"]


def test_a_worker_has_a_budget_as_soon_as_it_has_two_pods(build_service: Build):
    assert "PodDisruptionBudget/glance-cleaner" in build_service(lambda ctx: worker(ctx, replicas=2)).names


def test_a_worker_may_go_on_for_a_while_when_its_pod_is_deleted(build_service: Build):
    built = build_service(lambda ctx: worker(ctx, before_stop=["sleep", "10"]))
    assert built.container(WORKER)["lifecycle"] == {"preStop": {"exec": {"command": ["sleep", "10"]}}}


def test_a_worker_brings_the_credentials_of_the_service_unless_it_needs_none(build_service: Build):
    assert "DB_PASSWORD" in build_service(worker).env(WORKER)
    assert build_service(lambda ctx: worker(ctx, credentials=False, env={"A": "1"})).env(WORKER) == {"A": "1"}


def test_a_worker_that_talks_to_the_api_has_an_account_of_its_own_and_its_token(build_service: Build):
    built = build_service(lambda ctx: worker(ctx, account="glance-watcher", ports={"metrics": 8080}))
    assert built.pod(WORKER)["serviceAccountName"] == "glance-watcher"
    assert "kubernetes-api" in {m["name"] for m in built.container(WORKER)["volumeMounts"]}
    assert built.container(WORKER)["ports"] == [{"name": "metrics", "containerPort": 8080, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("needs", "services"),
    [(None, "mariadb,rabbitmq-glance,keystone-api"), (["identity"], "keystone-api"), (["database"], "mariadb")],
)
def test_a_worker_waits_for_what_the_service_requires_or_for_less(build_service: Build, needs: list[str] | None, services: str):
    assert build_service(lambda ctx: worker(ctx, needs=needs)).waits_for(WORKER)["GATE_SERVICES"] == services


def test_the_pods_of_a_stateful_service_have_names_before_they_are_ready_to_be_called(build_service: Build):
    built = build_service(lambda ctx: store(ctx, replicas=3))
    assert built.names == {"StatefulSet/glance-store", "Service/glance-store", "PodDisruptionBudget/glance-store"}
    assert built["Service/glance-store"]["spec"]["clusterIP"] == "None"
    assert built["StatefulSet/glance-store"]["spec"]["serviceName"] == "glance-store"


def test_the_service_under_which_its_pods_are_found_may_have_a_name_of_its_own(build_service: Build):
    awaited = []
    built = build_service(lambda ctx: awaited.append(store(ctx, domain="glance-peers", found_early=True).awaited))
    assert built.names == {"StatefulSet/glance-store", "Service/glance-peers"}
    assert built["StatefulSet/glance-store"]["spec"]["serviceName"] == "glance-peers"
    assert built["Service/glance-peers"]["spec"]["publishNotReadyAddresses"]
    assert awaited == [Gate(services=("glance-peers",))]


def test_a_pod_that_is_bound_to_its_node_waits_for_it_and_says_which_labels_it_comes_to_carry(build_service: Build):
    template = build_service(lambda ctx: store(ctx, bound=True, runtime_labels=["role"]))["StatefulSet/glance-store"]["spec"][
        "template"
    ]
    assert [t["key"] for t in template["spec"]["tolerations"]] == [
        f"node.kubernetes.io/{w}" for w in ("not-ready", "unreachable")
    ]
    assert template["metadata"]["annotations"]["stackloom.io/runtime-labels"] == "role"


def test_a_volume_outlives_its_pod_and_is_mounted_at_its_path(build_service: Build):
    built = build_service(lambda ctx: store(ctx, volumes={"/var/lib/store": "5Gi"}, storage_class="local"))
    (claim,) = built["StatefulSet/glance-store"]["spec"]["volumeClaimTemplates"]
    assert (claim["metadata"]["name"], claim["spec"]["storageClassName"]) == ("var-lib-store", "local")
    mounts = built.container("StatefulSet/glance-store")["volumeMounts"]
    assert {"name": "var-lib-store", "mountPath": "/var/lib/store"} in mounts


def test_others_wait_for_a_stateful_service_by_its_name(build_service: Build):
    awaited = []
    build_service(lambda ctx: awaited.append(store(ctx).awaited))
    assert awaited == [Gate(services=("glance-store",))]


def test_an_agent_runs_on_every_node_of_its_role(build_service: Build):
    built = build_service(agents)
    assert built.names == {"DaemonSet/glance-agent"}
    assert built.pod("DaemonSet/glance-agent")["nodeSelector"] == {"openstack-compute-node": "enabled"}
    assert "affinity" not in built.pod("DaemonSet/glance-agent")


def test_an_agent_holds_no_credential_of_the_database(build_service: Build):
    env = build_service(agents).env("DaemonSet/glance-agent")
    assert "MESSAGING_PASSWORD" in env
    assert "DB_PASSWORD" not in env


def test_nodes_set_apart_have_an_agent_of_their_own_with_its_own_selector(build_service: Build):
    nodes = {"rack::r1": {"services": {"image": {"glance": {"values": {"conf": {}}}}}}}
    built = build_service(agents, spec={"nodes": nodes})
    usual, special = sorted(built.bodies("DaemonSet"), key=lambda b: len(b["metadata"]["name"]))
    assert special["metadata"]["name"].startswith("glance-agent-rack-r1-")
    assert special["spec"]["selector"] != usual["spec"]["selector"]


def test_all_variants_of_an_agent_are_awaited_by_one_label(build_service: Build):
    awaited = []
    nodes = {"rack::r1": {"services": {"image": {"glance": {"values": {"conf": {}}}}}}}
    built = build_service(lambda ctx: awaited.extend(a.awaited for a in agents(ctx)), spec={"nodes": nodes})
    assert set(awaited) == {Gate(node_pods=("application=glance,stackloom.io/agent=agent",))}
    for body in built.bodies("DaemonSet"):
        assert body["spec"]["template"]["metadata"]["labels"]["stackloom.io/agent"] == "agent"


def test_an_agent_may_need_privileges_and_the_hosts_network(build_service: Build):
    privilege = Privilege(reason="sets up interfaces", capabilities=("NET_ADMIN",), user=0)
    built = build_service(lambda ctx: agents(ctx, privilege=privilege, host_network=True, on_delete=True))
    assert built.pod("DaemonSet/glance-agent")["hostNetwork"] is True
    assert built.container("DaemonSet/glance-agent")["securityContext"]["capabilities"]["add"] == ["NET_ADMIN"]
    assert built["DaemonSet/glance-agent"]["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_an_override_that_is_added_last_leaves_the_other_agents_byte_for_byte(build_service: Build):
    def texts(*labels: str) -> dict[str, str]:
        nodes = {label: {"services": {"image": {"glance": {"values": {"conf": {}}}}}} for label in labels}
        built = build_service(agents, spec={"nodes": nodes})
        return {b["metadata"]["name"]: manifest_text(b) for b in built.bodies("DaemonSet")}

    before, after = texts("rack::r1", "rack::r2"), texts("rack::r1", "rack::r2", "zone::z1")
    unchanged = {name: text for name, text in before.items() if name != "glance-agent"}
    assert len(unchanged) == 2
    assert unchanged.items() <= after.items()
    assert after["glance-agent"] != before["glance-agent"]
