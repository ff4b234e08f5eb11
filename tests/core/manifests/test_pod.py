from __future__ import annotations

import pytest

from stackloom.manifests.files import ConfigFile, SecretFile
from stackloom.manifests.gate import Gate
from stackloom.manifests.pod import PodField, Privilege, Probes, Resources, env_body
from stackloom.model.credential import SecretKey
from stackloom.model.placement import NodeRole
from tests.core.manifests.pods import SELECTOR, container, only, spec, template

CONF = ConfigFile("/etc/glance/glance-api.conf", "glance-etc", "glance-api.conf", "[DEFAULT]\n")
GATE = Gate(services=("mariadb",), image="registry.example.org/toolbox:1")


def test_replicas_that_must_not_be_lost_together_are_kept_apart() -> None:
    (term,) = spec(apart=True)["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term == {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": SELECTOR}}


def test_a_container_has_no_privilege_and_a_root_that_it_cannot_write():
    assert only()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_a_pod_runs_as_the_user_of_the_openstack_images_under_the_default_seccomp_profile():
    assert spec()["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 42424,
        "runAsGroup": 42424,
        "fsGroup": 42424,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_capabilities_are_added_to_none_and_stand_in_order():
    wanted = Privilege(reason="sets up interfaces", capabilities=("SYS_ADMIN", "NET_ADMIN"), user=0)
    found = only(privilege=wanted)["securityContext"]
    assert found["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN", "SYS_ADMIN"]}
    assert (found["runAsUser"], found["runAsNonRoot"]) == (0, False)


def test_a_privileged_container_says_nothing_that_kubernetes_refuses_beside_privileged():
    found = only(privilege=Privilege(reason="loads modules", privileged=True))["securityContext"]
    assert found == {"privileged": True, "readOnlyRootFilesystem": True, "runAsUser": 0, "runAsNonRoot": False}


def test_a_writable_root_must_be_asked_for():
    found = only(privilege=Privilege(reason="writes everywhere", writable_root=True))["securityContext"]
    assert found["readOnlyRootFilesystem"] is False


def test_the_reasons_for_privileges_stand_on_the_pod_once_each():
    privilege = Privilege(reason="sets up interfaces", capabilities=("NET_ADMIN",))
    found = template(container("a", privilege=privilege), container("b", privilege=privilege))
    assert found["metadata"]["annotations"] == {"stackloom.io/privilege-reason": "sets up interfaces"}


def test_a_pod_without_files_and_privileges_has_no_annotations():
    assert "annotations" not in template()["metadata"]


def test_a_change_of_a_file_changes_the_checksum_on_the_pod():
    changed = ConfigFile(CONF.path, CONF.config_map, CONF.key, "[DEFAULT]\ndebug = true\n")
    first, second, again = (template(container(files=[f]))["metadata"]["annotations"] for f in (CONF, changed, CONF))
    assert first["stackloom.io/config-checksum"] != second["stackloom.io/config-checksum"]
    assert first == again


def test_the_checksum_covers_the_files_of_init_containers():
    found = template(container(), init=[container("step-1", files=[CONF])])
    assert "stackloom.io/config-checksum" in found["metadata"]["annotations"]


def test_a_file_from_a_secret_has_no_checksum_because_its_content_is_not_known():
    found = template(container(files=[SecretFile("/etc/glance/key", "glance-key", "key")]))
    assert "annotations" not in found["metadata"]


def test_references_stand_before_plain_values_that_may_use_them():
    env = {
        "URL": "mysql://$(USER)@db",
        "USER": SecretKey(secret="glance-database", key="username"),
        "NODE": PodField("spec.nodeName"),
    }
    assert env_body(env) == [
        {"name": "USER", "valueFrom": {"secretKeyRef": {"name": "glance-database", "key": "username"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "URL", "value": "mysql://$(USER)@db"},
    ]


def test_a_container_without_environment_and_ports_has_neither_field():
    assert not {"env", "ports", "lifecycle", "startupProbe"} & set(only())


def test_probes_over_http_ask_the_named_port():
    found = only(probes=Probes(path="/healthcheck", port="api", startup_seconds=100), ports={"api": 9292})
    assert found["ports"] == [{"name": "api", "containerPort": 9292, "protocol": "TCP"}]
    assert found["readinessProbe"]["httpGet"] == {"path": "/healthcheck", "port": "api"}
    assert found["startupProbe"]["failureThreshold"] == 10


def test_liveness_is_three_times_as_patient_as_readiness():
    found = only(probes=Probes(command=("true",)))
    assert found["livenessProbe"]["exec"] == {"command": ["true"]}
    assert found["livenessProbe"]["failureThreshold"] == 3 * found["readinessProbe"]["failureThreshold"]


def test_init_containers_have_no_probes_which_kubernetes_refuses():
    (step,) = spec(container(), init=[container("step-1", probes=Probes(command=("true",)))])["initContainers"]
    assert not [field for field in step if field.endswith("Probe")]


def test_a_server_keeps_serving_for_a_moment_when_it_is_told_to_end():
    assert only(drain_seconds=10)["lifecycle"] == {"preStop": {"exec": {"command": ["sleep", "10"]}}}
    assert only(before_stop=["leave", "now"])["lifecycle"] == {"preStop": {"exec": {"command": ["leave", "now"]}}}


def test_cpu_is_requested_and_not_limited():
    assert Resources(cpu="1", memory="1Gi", memory_limit="2Gi").body() == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"memory": "2Gi"},
    }


def test_the_operators_resources_are_laid_over_the_usual_ones():
    found = Resources(memory="1Gi", over={"requests": {"memory": "4Gi"}, "limits": {"cpu": "2"}}).body()
    assert found == {"requests": {"cpu": "100m", "memory": "4Gi"}, "limits": {"memory": "512Mi", "cpu": "2"}}


def test_a_container_may_write_tmp_and_what_it_asks_for():
    mounts = {m["mountPath"]: m["subPath"] for m in only(writable=["/var/lib/glance"])["volumeMounts"]}
    assert mounts == {"/tmp": "tmp", "/var/lib/glance": "var-lib-glance"}
    assert {"name": "scratch", "emptyDir": {}} in spec()["volumes"]


def test_no_token_is_mounted_unless_the_pod_talks_to_the_api():
    assert spec()["automountServiceAccountToken"] is False
    assert "kubernetes-api" not in {v["name"] for v in spec()["volumes"]}


def test_a_pod_that_talks_to_the_api_mounts_the_token_in_its_main_containers_alone():
    found = spec(container(), init=[container("step-1")], token=True)
    mounted = [c["name"] for c in (*found["initContainers"], *found["containers"]) if "kubernetes-api" in str(c["volumeMounts"])]
    assert mounted == ["glance-api"]


def test_the_gate_comes_first_and_is_the_only_container_with_the_token():
    found = spec(container(), init=[container("step-1")], gate=GATE)
    assert [c["name"] for c in found["initContainers"]] == ["gate", "step-1"]
    with_token = [
        c["name"] for c in (*found["initContainers"], *found["containers"]) if "kubernetes-api" in str(c["volumeMounts"])
    ]
    assert with_token == ["gate"]


def test_a_gate_that_waits_for_nothing_is_left_out():
    assert "initContainers" not in spec(gate=Gate(image="registry.example.org/toolbox:1"))


@pytest.mark.parametrize("role", NodeRole)
def test_a_pod_runs_on_nodes_with_the_label_of_its_role(role: NodeRole):
    assert spec(role=role)["nodeSelector"] == {role.value: "enabled"}


def test_a_pod_without_a_role_runs_anywhere():
    assert "nodeSelector" not in spec(role=None)


def test_peers_are_spread_over_nodes_where_that_is_possible():
    (found,) = spec(spread=True)["topologySpreadConstraints"]
    assert found["labelSelector"] == {"matchLabels": SELECTOR}
    assert found["whenUnsatisfiable"] == "ScheduleAnyway"
    assert "topologySpreadConstraints" not in spec()


def test_a_pod_that_is_bound_to_its_node_is_not_deleted_when_the_node_is_away():
    found = spec(bound=True)["tolerations"]
    assert {t["key"] for t in found} == {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
    assert all(t["effect"] == "NoExecute" and "tolerationSeconds" not in t for t in found)
    assert "tolerations" not in spec()


def test_a_pod_names_the_labels_that_it_comes_to_carry():
    found = template(runtime_labels=["role", "rank"])["metadata"]
    assert found["annotations"] == {"stackloom.io/runtime-labels": "role,rank"}
    assert "role" not in found["labels"]


def test_a_pod_shares_with_its_node_what_it_says_and_still_finds_the_clusters_names():
    found = spec(host_network=True, host_pid=True)
    assert (found["hostNetwork"], found["hostPID"], found["dnsPolicy"]) == (True, True, "ClusterFirstWithHostNet")
    assert "hostIPC" not in found


def test_bodies_of_volumes_are_taken_as_they_stand():
    volume = {"name": "run", "hostPath": {"path": "/run"}}
    assert volume in spec(volumes=[volume])["volumes"]
