"""Names, labels and namespaces are such as Kubernetes accepts, for each kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from stackloom.checks.context import CheckContext
from stackloom.checks.index import Container, Index, Workload, at, each, problem, text
from stackloom.errors import Problem
from stackloom.model.output import Output
from stackloom.names import is_dns_label, is_dns_subdomain

CLUSTER_WIDE = frozenset(
    {
        "APIService",
        "CSIDriver",
        "ClusterExternalSecret",
        "ClusterIssuer",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterSecretStore",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeSnapshotClass",
    }
)

_LABEL_RULE = "at most 63 lower-case letters, digits and dashes, with a letter or digit at both ends"
_SERVICE_RULE = "at most 63 lower-case letters, digits and dashes, with a letter first and no dash last"
_SUBDOMAIN_RULE = "at most 253 lower-case letters, digits, dashes and dots, with a letter or digit at both ends"
_PORT_RULE = "at most 15 lower-case letters, digits and single dashes between them, with a letter among them"
_KEY_RULE = "at most 63 letters, digits, dashes, dots and underscores, after an optional domain and a slash"
_VALUE_RULE = "at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends"
_DATA_KEY_RULE = "at most 253 letters, digits, dashes, dots and underscores"
_ENV_RULE = "letters, digits, dashes, dots and underscores, with no digit first"
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

# Pods get labels and names made of these objects' names, so that less than 63 characters are left for the name itself.
_LONGEST = {"CronJob": 52, "Job": 63, "StatefulSet": 52, "ReplicaSet": 57}


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:
    """Object names, namespaces, labels and annotations; names within Pod templates, Services and ConfigMaps."""
    index = Index.of(output)
    namespaces = {context.namespace, *context.externals.of_kind("Namespace")}
    for o in index.objects:
        yield from _name(o)
        yield from _namespace(o, namespaces, context.namespace)
        yield from _labels(o, "metadata", at(o.body, "metadata"))
        if o.kind == "ConfigMap":
            yield from _data_keys(o)
        elif o.kind == "Service":
            yield from _service_ports(o)
    for workload in index.workloads:
        yield from _workload(workload)


def _name(o: Output) -> Iterator[Problem]:
    name = text(at(o.body, "metadata"), "name")
    if not name:
        yield problem(o, "metadata.name", "is missing", "Name the object: a generated name would be another one on each run")
        return
    legal, rule = _rule(o.kind)
    if not legal(name):
        yield problem(o, "metadata.name", f"{name!r} is no name for a {o.kind}", f"Use {rule}")
    elif len(name) > _LONGEST.get(o.kind, 253):
        yield problem(
            o, "metadata.name", f"{name!r} has {len(name)} characters, a {o.kind} may have {_LONGEST[o.kind]}", "Shorten it"
        )


def _rule(kind: str) -> tuple[Callable[[str], bool], str]:
    if kind == "Service":
        return lambda name: is_dns_label(name) and name[0].isalpha(), _SERVICE_RULE
    if kind == "Namespace":
        return is_dns_label, _LABEL_RULE
    if kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        return lambda name: name not in (".", "..") and not set("/%") & set(name), "anything without a slash or a percent sign"
    return is_dns_subdomain, _SUBDOMAIN_RULE


def _namespace(o: Output, namespaces: set[str], own: str) -> Iterator[Problem]:
    if o.kind in CLUSTER_WIDE:
        if o.namespace:
            yield problem(o, "metadata.namespace", f"a {o.kind} has no namespace", "Leave it out")
    elif not o.namespace:
        yield problem(o, "metadata.namespace", "is missing", f"Set it to {own!r}")
    elif o.namespace not in namespaces:
        yield problem(
            o,
            "metadata.namespace",
            f"{o.namespace!r} is not the deployment's namespace",
            f"Set it to {own!r}, or declare the namespace as an external",
        )


def _labels(o: Output, field: str, metadata: dict[str, Any]) -> Iterator[Problem]:
    for key, value in at(metadata, "labels").items():
        if not _is_key(key):
            yield problem(o, f"{field}.labels", f"{key!r} is no key for a label", f"Use {_KEY_RULE}")
        if isinstance(value, str) and not _is_value(value):
            yield problem(o, f"{field}.labels[{key}]", f"{value!r} is no value for a label", f"Use {_VALUE_RULE}")
    for key in at(metadata, "annotations"):
        if not _is_key(key):
            yield problem(o, f"{field}.annotations", f"{key!r} is no key for an annotation", f"Use {_KEY_RULE}")


@lru_cache(maxsize=4096)
def _is_value(value: str) -> bool:
    return not value or _WORD.fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return _WORD.fullmatch(name) is not None and (not slash or is_dns_subdomain(prefix))


def _data_keys(o: Output) -> Iterator[Problem]:
    for field in ("data", "binaryData"):
        for key in at(o.body, field):
            if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key) or key in (".", ".."):
                yield problem(o, field, f"{key!r} is no key for a ConfigMap", f"Use {_DATA_KEY_RULE}")


def _service_ports(o: Output) -> Iterator[Problem]:
    ports = list(each(at(o.body, "spec"), "ports"))
    for i, port in ports:
        name = text(port, "name")
        if name and not is_dns_label(name):
            yield problem(o, f"spec.ports[{i}].name", f"{name!r} is no name for a port of a Service", f"Use {_LABEL_RULE}")
        elif not name and len(ports) > 1:
            yield problem(o, f"spec.ports[{i}].name", "is missing", "Name each of several ports")
    yield from _repeated(o, "spec.ports", (text(port, "name") for _, port in ports))
    yield from _repeated(o, "spec.ports", (f"{port.get('port')}/{port.get('protocol', 'TCP')}" for _, port in ports))


def _workload(w: Workload) -> Iterator[Problem]:
    o, spec = w.output, f"{w.field}spec"
    if w.field:
        yield from _labels(o, f"{w.field}metadata", at(w.template, "metadata"))
    for container in w.containers:
        yield from _container(o, container)
    for i, volume in each(w.spec, "volumes"):
        if not is_dns_label(text(volume, "name")):
            yield problem(
                o, f"{spec}.volumes[{i}].name", f"{text(volume, 'name')!r} is no name for a volume", f"Use {_LABEL_RULE}"
            )
    yield from _repeated(o, f"{spec}.volumes", (text(volume, "name") for _, volume in each(w.spec, "volumes")))
    yield from _repeated(o, f"{spec}.containers", (container.name for container in w.containers))
    ports = (text(port, "name") for c in w.containers if not c.init for _, port in each(c.body, "ports"))
    yield from _repeated(o, f"{spec}.containers", ports)


def _container(o: Output, container: Container) -> Iterator[Problem]:
    field, body = container.field, container.body
    if not is_dns_label(container.name):
        yield problem(o, f"{field}.name", f"{container.name!r} is no name for a container", f"Use {_LABEL_RULE}")
    for i, port in each(body, "ports"):
        name = text(port, "name")
        if name and not _is_port_name(name):
            yield problem(o, f"{field}.ports[{i}].name", f"{name!r} is no name for a port", f"Use {_PORT_RULE}")
    for i, env in each(body, "env"):
        if not _VARIABLE.fullmatch(text(env, "name")):
            yield problem(o, f"{field}.env[{i}].name", f"{text(env, 'name')!r} is no name for a variable", f"Use {_ENV_RULE}")
    yield from _repeated(o, f"{field}.env", (text(env, "name") for _, env in each(body, "env")))
    yield from _repeated(o, f"{field}.volumeMounts", (text(mount, "mountPath") for _, mount in each(body, "volumeMounts")))


def _is_port_name(name: str) -> bool:
    return len(name) <= 15 and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is not None and not name.replace("-", "").isdecimal()


def _repeated(o: Output, field: str, names: Iterable[str]) -> Iterator[Problem]:
    """What stands twice in a list whose items are told apart by ``names``: server-side apply refuses it."""
    given = [name for name in names if name]
    if len(given) == len(set(given)):
        return
    for name, count in Counter(given).items():
        if count > 1:
            yield problem(o, field, f"{name!r} stands there {count} times", "Keep one of them, or rename the others")
