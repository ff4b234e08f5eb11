"""Every object is one that Kubernetes knows, and has no field that it does not: for the oldest supported version and the newest.

The schemas are those of Kubernetes itself; ``scripts/kubernetes_schemas.py`` makes the file that is read here.
"""

from __future__ import annotations

import json
import lzma
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

from stackloom.checks.context import CheckContext
from stackloom.checks.index import Index, at, problem, text
from stackloom.errors import Problem, did_you_mean
from stackloom.model.output import Output

# Groups of custom resources that are written for operators which the cluster must have. Their fields are not checked.
CUSTOM_GROUPS = frozenset(
    {
        "argoproj.io",
        "cert-manager.io",
        "external-secrets.io",
        "gateway.networking.k8s.io",
        "monitoring.coreos.com",
        "snapshot.storage.k8s.io",
    }
)

_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_CUSTOM: dict[str, Any] = {
    "type": "object",
    "required": ["metadata"],
    "properties": {"metadata": {"$ref": f"#/$defs/{_METADATA}"}},
}
_TYPE_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}


@cache
def _schemas() -> dict[str, dict[str, dict[str, Any]]]:
    packed = (Path(__file__).parent / "data" / "kubernetes.json.xz").read_bytes()
    found: dict[str, dict[str, dict[str, Any]]] = json.loads(lzma.decompress(packed))
    return dict(sorted(found.items(), key=lambda item: [int(n) for n in item[0].split(".")]))


def versions() -> tuple[str, ...]:
    """The versions of Kubernetes that the output must be valid for, oldest first."""
    return tuple(_schemas())


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rsplit("/", 1)[1]
            else:
                yield from _references(value)


@cache
def _validator(version: str, kind: str) -> Draft202012Validator | None:
    """The compiled schema of "apiVersion kind", of metadata alone for the kind ""; None for a kind that is not Kubernetes' own.

    Only the definitions that it needs are handed over, because compiling costs by what is there.
    """
    schemas = _schemas()[version]
    if kind and kind not in schemas["kinds"]:
        return None
    root: dict[str, Any] = {"$ref": f"#/$defs/{schemas['kinds'][kind]}"} if kind else _CUSTOM
    needed: dict[str, Any] = {}
    pending = list(_references(root))
    while pending:
        name = pending.pop()
        if name not in needed:
            needed[name] = schemas["$defs"][name]
            pending += _references(needed[name])
    return Draft202012Validator({**root, "$defs": needed})


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:
    """Kinds that Kubernetes or a known operator has; fields and types as their schemas say."""
    index = Index.of(output)
    groups = {*CUSTOM_GROUPS, *(text(at(o.body, "spec"), "group") for o in index.of_kind("CustomResourceDefinition"))}
    groups |= {name.partition(".")[2] for name in context.externals.of_kind("CustomResourceDefinition")}
    for o in output:
        api_version, kind = text(o.body, "apiVersion"), text(o.body, "kind")
        name = text(at(o.body, "metadata"), "name")
        where = f"{o.component}/{kind}/{name}"
        if not (api_version and kind and isinstance(o.body.get("metadata"), dict)):
            yield Problem("is no object: it needs apiVersion, kind and metadata", path=where, source=o.source)
            continue
        known = f"{api_version} {kind}"
        if api_version.rpartition("/")[0] in groups:
            known = ""
        hints: dict[tuple[str, str], str] = {}
        wrong_in: dict[tuple[str, str], list[str]] = defaultdict(list)
        for version in _schemas():
            for field, what, hint in dict.fromkeys(_problems(o, version, known)):
                hints.setdefault((field, what), hint)
                wrong_in[field, what].append(version)
        for (field, what), hint in hints.items():
            some = wrong_in[field, what]
            yield problem(o, field, what if len(some) == len(_schemas()) else f"{what} in Kubernetes {', '.join(some)}", hint)


def _problems(o: Output, version: str, kind: str) -> Iterator[tuple[str, str, str]]:
    """Field, what is wrong and hint for each mistake in an object."""
    validator = _validator(version, kind)
    if validator is None:
        yield _unknown_kind(version, kind)
        return
    try:
        if not validator.is_valid(o.body):
            for error in validator.iter_errors(o.body):
                yield from _explained(error, _schemas()[version]["$defs"])
    except ValueError as error:
        yield "", f"cannot be written as YAML: {error}", "Use mappings, lists, text, numbers and truth values only"


def _unknown_kind(version: str, kind: str) -> tuple[str, str, str]:
    api_version, _, name = kind.partition(" ")
    kinds = [known.split(" ") for known in _schemas()[version]["kinds"]]
    elsewhere = sorted(known for known, other in kinds if other == name)
    if elsewhere:
        return "apiVersion", f"there is no {name} in {api_version}", f"Write apiVersion: {' or '.join(elsewhere)}"
    of_group = [other for known, other in kinds if known == api_version]
    if of_group:
        return "kind", f"there is no {name} in {api_version}", did_you_mean(name, of_group)
    hint = (
        f"{did_you_mean(api_version, {known for known, _ in kinds})} Where an operator brings it, declare its CRD as an external"
    )
    return "apiVersion", f"{api_version} is no API of Kubernetes, nor of a known operator", hint.lstrip()


def _explained(error: ValidationError, definitions: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    field, value = _field(error.instance_path), error.instance
    match error.kind:
        case ValidationErrorKind.AdditionalProperties(unexpected=unexpected):
            fields = _definition(error.schema_path[1:-1], definitions).get("properties", {})
            for name in sorted(unexpected):
                yield f"{field}.{name}".lstrip("."), "there is no such field", did_you_mean(name, fields)
        case ValidationErrorKind.Required(property=name):
            yield f"{field}.{name}".lstrip("."), "is missing", ""
        case ValidationErrorKind.Type(types=types):
            expected = " or ".join(_TYPE_NAMES[t] for t in sorted(types, key=lambda t: (t != "string", t)))
            hint = "Leave the field out" if value is None else ""
            if "string" in types and isinstance(value, bool | int | float):
                hint = f"Make it text: {json.dumps(json.dumps(value))}"
            yield field, f"{_shown(value)} stands where {expected} is expected", hint
        case ValidationErrorKind.Enum(options=options):
            known = [str(option) for option in options]
            yield field, f"{_shown(value)} is not one of {', '.join(known)}", did_you_mean(str(value), known)
        case ValidationErrorKind.Pattern():
            yield field, f"{_shown(value)} is not a quantity", "Write it like 100m, 0.5, 2Gi or 1.5G"
        case _:
            yield field, error.message, ""


def _definition(path: Sequence[str | int], definitions: Any) -> Any:
    """The part of the schema at ``path``, which begins below ``$defs``."""
    for step in path:
        definitions = definitions[step]
    return definitions


def _field(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
