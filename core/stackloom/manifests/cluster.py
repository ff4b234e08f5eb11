"""Bodies of objects that belong to the whole cluster and to no namespace.

Several clouds may share a cluster: what such an object is called must tell whose it is, and :func:`cluster_wide` names it so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stackloom.manifests.workloads import Body, Identity

_RBAC = "rbac.authorization.k8s.io"


def cluster_wide(who: Identity) -> str:
    """The name of a cluster-wide object of ``who``: with the namespace, which tells clouds apart."""
    return f"{who.namespace}-{who.name}"


def _body(who: Identity, name: str, api_version: str, kind: str, **rest: Any) -> Body:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": dict(who.labels)}, **rest}


def cluster_role(who: Identity, rules: Sequence[Mapping[str, Any]]) -> Body:
    """A ClusterRole with ``rules``."""
    return _body(who, cluster_wide(who), f"{_RBAC}/v1", "ClusterRole", rules=[dict(rule) for rule in rules])


def cluster_role_binding(who: Identity, account: str) -> Body:
    """The ClusterRole of ``who``, given to the ServiceAccount ``account`` of its namespace."""
    name = cluster_wide(who)
    return _body(
        who,
        name,
        f"{_RBAC}/v1",
        "ClusterRoleBinding",
        roleRef={"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": who.namespace}],
    )


def storage_class(who: Identity, name: str, *, provisioner: str, reclaim: str, binding: str) -> Body:
    """A StorageClass. ``reclaim`` says what becomes of a volume whose claim is gone, ``binding`` when a claim gets one."""
    return _body(
        who,
        name,
        "storage.k8s.io/v1",
        "StorageClass",
        provisioner=provisioner,
        reclaimPolicy=reclaim,
        volumeBindingMode=binding,
        allowVolumeExpansion=False,
    )


def ingress_class(who: Identity, name: str, *, controller: str) -> Body:
    """The class by which Ingresses choose ``controller``."""
    return _body(who, name, "networking.k8s.io/v1", "IngressClass", spec={"controller": controller})


def gateway_class(who: Identity, name: str, *, controller: str) -> Body:
    """The class by which Gateways choose ``controller``."""
    return _body(who, name, "gateway.networking.k8s.io/v1", "GatewayClass", spec={"controllerName": controller})
