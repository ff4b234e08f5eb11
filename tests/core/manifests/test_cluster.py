from __future__ import annotations

from stackloom.manifests import cluster
from stackloom.manifests.workloads import Identity

WHO = Identity(name="reader", namespace="cloud-b", labels={"application": "reader"})


def test_a_cluster_role_tells_whose_it_is_and_has_no_namespace() -> None:
    body = cluster.cluster_role(WHO, [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}])
    assert body["metadata"] == {"name": "cloud-b-reader", "labels": {"application": "reader"}}


def test_a_binding_gives_the_role_to_an_account_of_the_namespace() -> None:
    body = cluster.cluster_role_binding(WHO, "worker")
    assert body["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cloud-b-reader"}
    assert body["subjects"] == [{"kind": "ServiceAccount", "name": "worker", "namespace": "cloud-b"}]


def test_a_storage_class_has_the_name_by_which_claims_ask_for_it() -> None:
    body = cluster.storage_class(WHO, "disks", provisioner="p", reclaim="Retain", binding="Immediate")
    assert body["metadata"]["name"] == "disks"
    assert (body["provisioner"], body["reclaimPolicy"], body["volumeBindingMode"]) == ("p", "Retain", "Immediate")
