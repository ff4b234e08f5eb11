"""What the checks know beside the output itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stackloom.model.credential import Credential
from stackloom.spec.operations import Images

# What every cluster has without anybody's doing.
_BUILT_IN: Mapping[str, frozenset[str]] = {
    "ConfigMap": frozenset({"kube-root-ca.crt"}),
    "ServiceAccount": frozenset({"default"}),
    "PriorityClass": frozenset({"system-cluster-critical", "system-node-critical"}),
    "ClusterRole": frozenset({"admin", "cluster-admin", "edit", "view", "system:auth-delegator"}),
}


@dataclass(frozen=True, slots=True)
class External:
    """Names of objects that live in the cluster but are not written by this run, by kind.

    ``Job`` names values of the label ``stackloom.io/job``, because a Job's own name ends in a hash.
    ``CustomResourceDefinition`` names CRDs in full (``grafanas.grafana.integreatly.org``), which makes their API group known.
    """

    names: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Mapping[str, Iterable[str]]) -> External:
        """Externals from any iterables: ``External.of({"Service": ["mariadb"], "StorageClass": ["ceph"]})``."""
        return cls({kind: frozenset(some) for kind, some in names.items()})

    def of_kind(self, kind: str) -> frozenset[str]:
        """The names of the declared objects of ``kind``, and of those that every cluster has."""
        return self.names.get(kind, frozenset()) | _BUILT_IN.get(kind, frozenset())


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckContext:
    """The namespace of the deployment, the credentials that it needs, what it finds in the cluster, what it says of images."""

    namespace: str
    credentials: tuple[Credential, ...] = ()
    externals: External = field(default_factory=External)
    images: Images = field(default_factory=Images)
