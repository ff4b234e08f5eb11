"""Every reference leads somewhere: to an object of the output, to a credential, or to a declared external."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stackloom.checks.context import CheckContext
from stackloom.checks.index import Index, Workload, at, each, problem, text
from stackloom.checks.names_legal import CLUSTER_WIDE
from stackloom.checks.pod_references import Reference, pod_references
from stackloom.errors import Problem, did_you_mean
from stackloom.model.output import Output


class _Maker(NamedTuple):
    """Who makes a Secret, and the keys that it will have; None where these are not known."""

    who: str
    keys: frozenset[str] | None


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:
    """References of Pod templates and of other objects; volumes and ports that a container names in its own Pod."""
    index = Index.of(output)
    makers = _makers(index, context)
    for name, of_one in makers.items():
        if len(of_one) > 1:
            who = " and ".join(maker.who for maker in of_one)
            yield Problem(f"is made more than once: by {who}", "Keep one of them", path=f"Secret {name}")
    for workload in index.workloads:
        for reference in pod_references(workload):
            yield from _resolved(reference, index, context, makers)
        yield from _inside(workload)
    for o in index.objects:
        for reference in _BY_KIND.get(o.kind, _none)(o):
            yield from _resolved(reference, index, context, makers)


def _makers(index: Index, context: CheckContext) -> Mapping[str, Sequence[_Maker]]:
    makers: dict[str, list[_Maker]] = defaultdict(list)
    for credential in context.credentials:
        makers[credential.name].append(_Maker("a credential", None if credential.seeded else frozenset(credential.keys)))
    described = frozenset(makers)
    for o in index.of_kind("ExternalSecret"):
        spec = at(o.body, "spec")
        name = text(at(spec, "target"), "name") or o.name
        if name not in described:  # otherwise it is how the credential is brought here
            whole = "dataFrom" in spec or "template" in at(spec, "target")
            keys = frozenset(text(item, "secretKey") for _, item in each(spec, "data"))
            makers[name].append(_Maker(o.path, None if whole else keys))
    for o in index.of_kind("Certificate"):
        makers[text(at(o.body, "spec"), "secretName")].append(_Maker(o.path, frozenset({"ca.crt", "tls.crt", "tls.key"})))
    for o in index.of_kind("Secret"):
        makers[o.name].append(_Maker(o.path, None))
    for name in context.externals.of_kind("Secret"):
        makers[name].append(_Maker("something outside the output", None))
    return makers


def _resolved(r: Reference, index: Index, context: CheckContext, makers: Mapping[str, Sequence[_Maker]]) -> Iterator[Problem]:
    """The problem of a reference that leads nowhere."""
    if r.optional:
        return
    if not r.name:
        yield problem(r.output, r.field, f"names no {r.kind}")
        return
    if r.kind == "Secret":
        if r.name in makers:
            yield from _key(r, makers[r.name][0].keys)
            return
        known: Iterable[str] = makers
        where = "no credential, and not declared as an external"
    else:
        namespace = "" if r.kind in CLUSTER_WIDE else r.output.namespace if r.namespace is None else r.namespace
        target = index.find(r.kind, namespace, r.name)
        if target is not None:
            yield from _key(r, _keys(target))
            return
        externals = context.externals.of_kind(r.kind)
        if r.name in externals:
            return
        known = {*externals, *(o.name for o in index.of_kind(r.kind))}
        where = "not in the output, and not declared as an external"
    hint = did_you_mean(r.name, known)
    yield problem(r.output, r.field, f"the {r.kind} {r.name!r} is {where}", hint if hint.startswith("Did") else "")


def _keys(target: Output) -> frozenset[str] | None:
    """What can be named in an object: keys of a ConfigMap, ports of a Service by name and number."""
    if target.kind == "ConfigMap":
        return frozenset({*at(target.body, "data"), *at(target.body, "binaryData")})
    if target.kind == "Service":
        ports = [port for _, port in each(at(target.body, "spec"), "ports")]
        return frozenset(str(port[field]) for port in ports for field in ("name", "port") if field in port)
    return None


def _key(r: Reference, keys: frozenset[str] | None) -> Iterator[Problem]:
    if r.key and keys is not None and r.key not in keys:
        part = "port" if r.kind == "Service" else "key"
        yield problem(r.output, r.field, f"the {r.kind} {r.name!r} has no {part} {r.key!r}", did_you_mean(r.key, keys))


def _inside(w: Workload) -> Iterator[Problem]:
    """References of a container to its own Pod: volumes of mounts, named ports of probes."""
    volumes = {text(volume, "name") for _, volume in each(w.spec, "volumes")}
    volumes |= {text(at(claim, "metadata"), "name") for _, claim in each(at(w.output.body, "spec"), "volumeClaimTemplates")}
    for container in w.containers:
        for key in ("volumeMounts", "volumeDevices"):
            for i, mount in each(container.body, key):
                name = text(mount, "name")
                if name not in volumes:
                    what = f"the Pod has no volume {name!r}"
                    yield problem(w.output, f"{container.field}.{key}[{i}].name", what, did_you_mean(name, volumes))
        ports = {text(port, "name") for _, port in each(container.body, "ports")}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            for action in ("httpGet", "tcpSocket"):
                port = text(at(container.body, probe, action), "port")
                if port and port not in ports:
                    what = f"the container has no port {port!r}"
                    yield problem(w.output, f"{container.field}.{probe}.{action}.port", what, did_you_mean(port, ports))


# -- What objects other than Pods refer to -----------------------------------------------------------------------------


def _none(_: Output) -> Iterator[Reference]:
    return iter(())


def _named(o: Output, kind: str, *path: str, optional: bool = True) -> Iterator[Reference]:
    """A name of an object of ``kind`` at ``path``; absent where ``optional``."""
    name = text(at(o.body, *path[:-1]), path[-1])
    if name or not optional:
        yield Reference(o, ".".join(path), kind, name)


def _ingress(o: Output) -> Iterator[Reference]:
    spec = at(o.body, "spec")
    yield from _named(o, "IngressClass", "spec", "ingressClassName")
    for i, tls in each(spec, "tls"):
        if "secretName" in tls:
            yield Reference(o, f"spec.tls[{i}].secretName", "Secret", text(tls, "secretName"))
    backends = [("spec.defaultBackend", at(spec, "defaultBackend"))]
    for i, rule in each(spec, "rules"):
        for j, path in each(at(rule, "http"), "paths"):
            backends.append((f"spec.rules[{i}].http.paths[{j}].backend", at(path, "backend")))
    for field, backend in backends:
        service = at(backend, "service")
        if service:
            port = at(service, "port")
            yield Reference(
                o, f"{field}.service", "Service", text(service, "name"), str(port.get("name", port.get("number", "")))
            )


def _route(o: Output) -> Iterator[Reference]:
    spec = at(o.body, "spec")
    for i, parent in each(spec, "parentRefs"):
        yield _gateway_reference(o, f"spec.parentRefs[{i}]", parent, "Gateway")
    for i, rule in each(spec, "rules"):
        for j, backend in each(rule, "backendRefs"):
            yield _gateway_reference(o, f"spec.rules[{i}].backendRefs[{j}]", backend, "Service")


def _gateway(o: Output) -> Iterator[Reference]:
    yield from _named(o, "GatewayClass", "spec", "gatewayClassName")
    for i, listener in each(at(o.body, "spec"), "listeners"):
        for j, certificate in each(at(listener, "tls"), "certificateRefs"):
            yield _gateway_reference(o, f"spec.listeners[{i}].tls.certificateRefs[{j}]", certificate, "Secret")


def _backend_tls(o: Output) -> Iterator[Reference]:
    for i, target in each(at(o.body, "spec"), "targetRefs"):
        yield _gateway_reference(o, f"spec.targetRefs[{i}]", target, "Service")
    for i, authority in each(at(o.body, "spec", "validation"), "caCertificateRefs"):
        yield _gateway_reference(o, f"spec.validation.caCertificateRefs[{i}]", authority, "ConfigMap")


def _gateway_reference(o: Output, field: str, ref: dict[str, Any], default_kind: str) -> Reference:
    kind = text(ref, "kind") or default_kind
    port = str(ref.get("port", "")) if kind == "Service" else ""
    return Reference(o, field, kind, text(ref, "name"), port, namespace=text(ref, "namespace") or None)


def _stateful_set(o: Output) -> Iterator[Reference]:
    yield from _named(o, "Service", "spec", "serviceName", optional=False)
    for i, claim in each(at(o.body, "spec"), "volumeClaimTemplates"):
        name = text(at(claim, "spec"), "storageClassName")
        if name:
            yield Reference(o, f"spec.volumeClaimTemplates[{i}].spec.storageClassName", "StorageClass", name)


def _claim(o: Output) -> Iterator[Reference]:
    return _named(o, "StorageClass", "spec", "storageClassName")


def _binding(o: Output) -> Iterator[Reference]:
    yield Reference(o, "roleRef", text(at(o.body, "roleRef"), "kind"), text(at(o.body, "roleRef"), "name"))
    for i, subject in each(o.body, "subjects"):
        if subject.get("kind") == "ServiceAccount":
            name, namespace = text(subject, "name"), text(subject, "namespace")
            yield Reference(o, f"subjects[{i}]", "ServiceAccount", name, namespace=namespace or None)


def _autoscaler(o: Output) -> Iterator[Reference]:
    target = at(o.body, "spec", "scaleTargetRef")
    yield Reference(o, "spec.scaleTargetRef", text(target, "kind"), text(target, "name"))


def _certificate(o: Output) -> Iterator[Reference]:
    issuer = at(o.body, "spec", "issuerRef")
    yield Reference(o, "spec.issuerRef", text(issuer, "kind") or "Issuer", text(issuer, "name"))


def _issuer(o: Output) -> Iterator[Reference]:
    return _named(o, "Secret", "spec", "ca", "secretName")


def _external_secret(o: Output) -> Iterator[Reference]:
    store = at(o.body, "spec", "secretStoreRef")
    if store:
        yield Reference(o, "spec.secretStoreRef", text(store, "kind") or "SecretStore", text(store, "name"))


def _account(o: Output) -> Iterator[Reference]:
    for i, secret in each(o.body, "imagePullSecrets"):
        yield Reference(o, f"imagePullSecrets[{i}]", "Secret", text(secret, "name"))


def _webhooks(o: Output) -> Iterator[Reference]:
    for i, webhook in each(o.body, "webhooks"):
        yield from _called(o, f"webhooks[{i}].clientConfig.service", at(webhook, "clientConfig", "service"))


def _api_service(o: Output) -> Iterator[Reference]:
    return _called(o, "spec.service", at(o.body, "spec", "service"))


def _called(o: Output, field: str, service: dict[str, Any]) -> Iterator[Reference]:
    if service:
        yield Reference(
            o, field, "Service", text(service, "name"), str(service.get("port", "")), namespace=text(service, "namespace")
        )


_BY_KIND: Mapping[str, Callable[[Output], Iterator[Reference]]] = {
    "APIService": _api_service,
    "Certificate": _certificate,
    "ClusterIssuer": _issuer,
    "ClusterRoleBinding": _binding,
    "ExternalSecret": _external_secret,
    "GRPCRoute": _route,
    "Gateway": _gateway,
    "HTTPRoute": _route,
    "BackendTLSPolicy": _backend_tls,
    "HorizontalPodAutoscaler": _autoscaler,
    "Ingress": _ingress,
    "Issuer": _issuer,
    "MutatingWebhookConfiguration": _webhooks,
    "PersistentVolumeClaim": _claim,
    "RoleBinding": _binding,
    "ServiceAccount": _account,
    "StatefulSet": _stateful_set,
    "TLSRoute": _route,
    "ValidatingWebhookConfiguration": _webhooks,
}
