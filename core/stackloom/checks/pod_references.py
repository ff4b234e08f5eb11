"""What a Pod refers to by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from stackloom.checks.index import Container, Workload, at, each, text
from stackloom.model.output import Output


class Reference(NamedTuple):
    """A name in a field of an object, and what it means: an object of ``kind``, and in it ``key`` unless that is ""."""

    output: Output
    field: str
    kind: str
    name: str
    key: str = ""
    optional: bool = False
    namespace: str | None = None


def pod_references(w: Workload) -> Iterator[Reference]:
    """Every reference of a Pod template to another object, to keys of ConfigMaps and Secrets included."""
    o, spec, field = w.output, w.spec, f"{w.field}spec"
    for key, kind in (
        ("serviceAccountName", "ServiceAccount"),
        ("priorityClassName", "PriorityClass"),
        ("runtimeClassName", "RuntimeClass"),
    ):
        if text(spec, key):
            yield Reference(o, f"{field}.{key}", kind, text(spec, key))
    for i, secret in each(spec, "imagePullSecrets"):
        yield Reference(o, f"{field}.imagePullSecrets[{i}]", "Secret", text(secret, "name"))
    for i, volume in each(spec, "volumes"):
        yield from _volume(o, f"{field}.volumes[{i}]", volume)
    for container in w.containers:
        yield from _environment(o, container)


def _volume(o: Output, field: str, volume: dict[str, Any]) -> Iterator[Reference]:
    if "configMap" in volume:
        yield from _files(o, f"{field}.configMap", "ConfigMap", at(volume, "configMap"), "name")
    elif "secret" in volume:
        yield from _files(o, f"{field}.secret", "Secret", at(volume, "secret"), "secretName")
    elif "projected" in volume:
        for i, source in each(at(volume, "projected"), "sources"):
            for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if key in source:
                    yield from _files(o, f"{field}.projected.sources[{i}].{key}", kind, at(source, key), "name")
    elif "persistentVolumeClaim" in volume:
        name = text(at(volume, "persistentVolumeClaim"), "claimName")
        yield Reference(o, f"{field}.persistentVolumeClaim.claimName", "PersistentVolumeClaim", name)
    elif "ephemeral" in volume:
        storage_class = text(at(volume, "ephemeral", "volumeClaimTemplate", "spec"), "storageClassName")
        if storage_class:
            yield Reference(o, f"{field}.ephemeral.volumeClaimTemplate.spec.storageClassName", "StorageClass", storage_class)


def _files(o: Output, field: str, kind: str, body: dict[str, Any], name_key: str) -> Iterator[Reference]:
    name, optional = text(body, name_key), body.get("optional") is True
    items = list(each(body, "items"))
    if not items:
        yield Reference(o, f"{field}.{name_key}", kind, name, "", optional)
    for i, item in items:
        yield Reference(o, f"{field}.items[{i}].key", kind, name, text(item, "key"), optional)


def _environment(o: Output, container: Container) -> Iterator[Reference]:
    for i, variable in each(container.body, "env"):
        source = variable.get("valueFrom")
        if source is None:
            continue
        for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            ref = at(source, key)
            if ref:
                field = f"{container.field}.env[{i}].valueFrom.{key}"
                yield Reference(o, field, kind, text(ref, "name"), text(ref, "key"), ref.get("optional") is True)
    for i, whole in each(container.body, "envFrom"):
        for key, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            ref = at(whole, key)
            if ref:
                yield Reference(
                    o, f"{container.field}.envFrom[{i}].{key}", kind, text(ref, "name"), "", ref.get("optional") is True
                )
