"""The Applications with which Argo CD takes the output: one for each component, or one for the whole cloud.

Sync waves order the Applications where a parent applies them; inside one, the objects carry their own. The gates make either
order right, waves make it calm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stackloom.manifests.workloads import Body, Identity

if TYPE_CHECKING:
    from stackloom.constructs.component import Component
    from stackloom.spec.deployment import OpenStackDeployment

COMPONENT = "argocd"

# Server-side apply keeps large objects whole; old Jobs and ConfigMaps go when what replaces them is healthy.
_SYNC_OPTIONS = (
    "ServerSideApply=true",
    "PruneLast=true",
    "RespectIgnoreDifferences=true",
    "ApplyOutOfSyncOnly=true",
    "FailOnSharedResource=true",
)
_COMPARE_OPTIONS = "ServerSideDiff=true,IncludeMutationWebhook=true"
_RETRY = {"limit": -1, "refresh": True, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "5m"}}


def build_argocd(
    component: Component, labels: Mapping[str, str], deployment: OpenStackDeployment, levels: Mapping[str, int]
) -> None:
    """Add the Applications for the components in ``levels`` (name: how early it starts)."""
    chosen = deployment.spec.argocd
    cloud = deployment.metadata.name

    def add(name: str, path: str, **source: Any) -> Body:
        who = Identity(name=name, namespace=chosen.namespace, labels=labels)
        body = who.body("argoproj.io/v1alpha1", "Application", spec=_spec(deployment, path, source))
        body["metadata"]["annotations"] = {"argocd.argoproj.io/compare-options": _COMPARE_OPTIONS}
        return component.add(body).body

    if chosen.profile == "single":
        add(cloud, chosen.path, directory={"recurse": True, "exclude": f"{COMPONENT}/*"})
        return
    for name, level in sorted(levels.items()):
        body = add(f"{cloud}-{name}", f"{chosen.path}/{name}")
        body["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = str(level)


def _spec(deployment: OpenStackDeployment, path: str, source: Mapping[str, Any]) -> Body:
    chosen = deployment.spec.argocd
    return {
        "project": chosen.project,
        "source": {"repoURL": chosen.repository, "targetRevision": chosen.revision, "path": path, **source},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": deployment.metadata.namespace},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "retry": _RETRY, "syncOptions": list(_SYNC_OPTIONS)},
    }
