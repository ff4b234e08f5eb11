"""Make core/stackloom/checks/data/kubernetes.json.xz: the Kubernetes schemas that checks/schemas.py compiles.

The package kubernetes-validate ships the API's definitions for each version in 108 MB. Of these the check needs what objects may
be written, without the prose, for the oldest supported version and the newest: 26 kB, read in 7 ms.

Run it with the development environment's Python whenever kubernetes-validate is updated; a test says when that is due.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]

OLDEST = "1.27"
DATA = Path(__file__).parent.parent / "core" / "stackloom" / "checks" / "data" / "kubernetes.json.xz"
_SHIPPED = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
_PROSE = {"description", "format"}

# The API server's own validation, of which the published definitions say nothing.
_QUANTITY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
_SPECIAL: dict[str, dict[str, Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"], "pattern": _QUANTITY},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}
_PROTOCOLS = ["TCP", "UDP", "SCTP"]
_ENUMS: dict[str, dict[str, list[str]]] = {
    "apps.v1.DaemonSetUpdateStrategy": {"type": ["RollingUpdate", "OnDelete"]},
    "apps.v1.DeploymentStrategy": {"type": ["RollingUpdate", "Recreate"]},
    "apps.v1.StatefulSetSpec": {"podManagementPolicy": ["OrderedReady", "Parallel"]},
    "apps.v1.StatefulSetUpdateStrategy": {"type": ["RollingUpdate", "OnDelete"]},
    "batch.v1.CronJobSpec": {"concurrencyPolicy": ["Allow", "Forbid", "Replace"]},
    "core.v1.Container": {
        "imagePullPolicy": ["Always", "IfNotPresent", "Never"],
        "terminationMessagePolicy": ["File", "FallbackToLogsOnError"],
    },
    "core.v1.ContainerPort": {"protocol": _PROTOCOLS},
    "core.v1.HTTPGetAction": {"scheme": ["HTTP", "HTTPS"]},
    "core.v1.HostPathVolumeSource": {
        "type": ["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"]
    },
    "core.v1.NodeSelectorRequirement": {"operator": ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]},
    "core.v1.PersistentVolumeClaimSpec": {
        "accessModes": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"],
        "volumeMode": ["Filesystem", "Block"],
    },
    "core.v1.PodSpec": {
        "dnsPolicy": ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
        "restartPolicy": ["Always", "OnFailure", "Never"],
    },
    "core.v1.SeccompProfile": {"type": ["RuntimeDefault", "Unconfined", "Localhost"]},
    "core.v1.ServicePort": {"protocol": _PROTOCOLS},
    "core.v1.ServiceSpec": {
        "externalTrafficPolicy": ["Cluster", "Local"],
        "internalTrafficPolicy": ["Cluster", "Local"],
        "ipFamilyPolicy": ["SingleStack", "PreferDualStack", "RequireDualStack"],
        "sessionAffinity": ["None", "ClientIP"],
        "type": ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"],
    },
    "core.v1.Toleration": {"effect": ["NoSchedule", "PreferNoSchedule", "NoExecute"], "operator": ["Exists", "Equal"]},
    "core.v1.TopologySpreadConstraint": {"whenUnsatisfiable": ["DoNotSchedule", "ScheduleAnyway"]},
    "core.v1.VolumeMount": {"mountPropagation": ["None", "HostToContainer", "Bidirectional"]},
    "networking.v1.HTTPIngressPath": {"pathType": ["Exact", "Prefix", "ImplementationSpecific"]},
    "networking.v1.NetworkPolicyPort": {"protocol": _PROTOCOLS},
    "networking.v1.NetworkPolicySpec": {"policyTypes": ["Ingress", "Egress"]},
    "rbac.v1.RoleRef": {"kind": ["Role", "ClusterRole"]},
    "rbac.v1.Subject": {"kind": ["ServiceAccount", "User", "Group"]},
}


def newest() -> str:
    """The newest version that kubernetes-validate ships (``1.37``)."""
    found = [re.fullmatch(r"v1\.(\d+)\.\d+-local-strict", path.name) for path in _SHIPPED.iterdir()]
    return f"1.{max(int(match[1]) for match in found if match)}"


def _slim(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` without prose. The published ones allow null everywhere; here it is a mistake of whoever wrote the object."""
    slim: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _PROSE or key.startswith("x-kubernetes-"):
            continue
        if key == "properties":
            slim[key] = {name: _slim(field) for name, field in value.items()}
        elif key == "type" and isinstance(value, list):
            types = [kind for kind in value if kind != "null"]
            slim[key] = types[0] if len(types) == 1 else types
        else:
            slim[key] = _slim(value) if isinstance(value, dict) else value
    return slim


def references(schema: Any) -> Iterator[str]:
    """The names of the definitions to which ``schema`` refers."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rsplit("/", 1)[1]
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


def _constrained(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` with the API server's enumerations."""
    for field, values in _ENUMS.get(name.removeprefix("io.k8s.api."), {}).items():
        target = schema["properties"][field]
        (target["items"] if target.get("type") == "array" else target)["enum"] = values
    return schema


def schemas_of(version: str) -> dict[str, Any]:
    """``kinds``: the definition of each object that may be written, by "apiVersion kind"; ``$defs``: all that these need."""
    folder = max(_SHIPPED.glob(f"v{version}.*-local-strict"))
    published = json.loads((folder / "_definitions.json").read_text())["$defs"]
    kinds = {}
    for name, schema in published.items():
        known_as = schema.get("x-kubernetes-group-version-kind", [])
        if len(known_as) == 1 and "metadata" in schema.get("properties", {}) and "items" not in schema["properties"]:
            (gvk,) = known_as
            api_version = "/".join(part for part in (gvk["group"], gvk["version"]) if part)
            kinds[f"{api_version} {gvk['kind']}"] = name
    needed: dict[str, Any] = {}
    pending = list(kinds.values())
    while pending:
        name = pending.pop()
        if name not in needed:
            needed[name] = _SPECIAL.get(name) or _constrained(name, _slim(published[name]))
            pending += references(needed[name])
    return {"kinds": kinds, "$defs": needed}


def text() -> str:
    """The data file's content, uncompressed: the same for the same kubernetes-validate."""
    return json.dumps({version: schemas_of(version) for version in (OLDEST, newest())}, sort_keys=True, separators=(",", ":"))


if __name__ == "__main__":
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_bytes(lzma.compress(text().encode(), preset=9 | lzma.PRESET_EXTREME))
