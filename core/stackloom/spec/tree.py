"""The whole tree of the specification: what all services share, with the subtrees of the services that plugins offer.

The result is a model like any other: it validates, it gives the JSON Schema and the reference, and it knows every key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, cast

from pydantic import ConfigDict, Field, WithJsonSchema, create_model
from typing_extensions import TypedDict

from stackloom.errors import Problem, StackloomError
from stackloom.fields import NonEmpty, SpecModel
from stackloom.model.service import Service
from stackloom.spec import cr
from stackloom.spec.database import CleanupSettings, Database
from stackloom.spec.deployment import OpenStackDeployment, Readiness, Spec, Timeouts
from stackloom.spec.features import Features, Logging, Policies, Rules, ServiceLogging, subtree
from stackloom.spec.nodes import NodeLabel, NodeOverride
from stackloom.spec.operations import PluginSettings
from stackloom.spec.values import Chart, NodeChart


class _Closed(SpecModel):
    """Takes back that a model has further keys: here they are all known. What is made here has no source to read docs from."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=False)


M = TypeVar("M", bound=SpecModel)
PLACEHOLDER = "x-placeholder"


def whole_tree(services: Sequence[Service], plugins: Collection[str] = ()) -> type[OpenStackDeployment]:
    """The model of a deployment with these services; ``plugins`` are the names under ``spec.plugins``.

    Raises StackloomError where two services model one subtree of ``features`` differently.
    """
    spec = create_model(
        "Spec",
        __base__=Spec,
        features=_retyped(Spec, "features", _features(services)),
        services=_retyped(Spec, "services", _by_type("ServiceValues", Chart, services)),
        nodes=_retyped(Spec, "nodes", dict[NodeLabel, _node_override(services)], "label::value"),  # type: ignore[misc]
        timeouts=_retyped(Spec, "timeouts", _timeouts(services)),
        plugins=_retyped(Spec, "plugins", _plugins(plugins)),
    )
    return create_model("OpenStackDeployment", __base__=OpenStackDeployment, spec=_retyped(OpenStackDeployment, "spec", spec))


def subtree_models(services: Iterable[Service], kind: str = "features") -> dict[str, type[SpecModel]]:
    """The models of the services' subtrees by key, sorted; ``kind`` is ``features`` or ``node_features``."""
    found: dict[str, type[SpecModel]] = {}
    problems = []
    for service in sorted(services, key=lambda s: s.name):
        model = getattr(service, kind)
        if model is not None and found.setdefault(service.features_name, model) is not model:
            problems.append(
                Problem(
                    f"the service {service.name!r} and another one model spec.features.{service.features_name} differently",
                    "Give one of them another `features_key`",
                )
            )
    if problems:
        raise StackloomError(problems)
    return dict(sorted(found.items()))


def _features(services: Sequence[Service]) -> type[Features]:
    database = create_model(
        "Database",
        __base__=Database,
        cleanup=_retyped(Database, "cleanup", _keyed("Cleanup", {s.name: CleanupSettings for s in services if s.cleanup})),
    )
    names = sorted(s.name for s in services)
    types = sorted({s.type for s in services} | cr.INFRASTRUCTURE)
    listed = list[
        Annotated[NonEmpty, WithJsonSchema({"type": "string", "enum": types})]
    ]  # which are right is for the loader to say
    return _closed(
        Features,
        {name: (model, _first_line(model)) for name, model in subtree_models(services).items()},
        policies=_retyped(Features, "policies", _closed(Policies, dict.fromkeys(names, (Rules, "Rules by name.")))),
        logging=_retyped(Features, "logging", _closed(Logging, dict.fromkeys(names, (ServiceLogging, "How much it logs.")))),
        database=_retyped(Features, "database", database),
        services=(listed | None, Field(default=None, description=Features.model_fields["services"].description)),
    )


def _retyped(base: type[SpecModel], name: str, kind: Any, placeholder: str = "") -> Any:
    """The field of a model with a narrower type, and what that type makes of nothing as the default."""
    old = base.model_fields[name]
    empty = kind if isinstance(kind, type) and issubclass(kind, SpecModel) else dict
    default: Any = {} if old.is_required() else {"default_factory": empty}
    extra: Any = {PLACEHOLDER: placeholder} if placeholder else None
    return (kind, Field(description=old.description, json_schema_extra=extra, **default))


def _closed(base: type[M], keys: Mapping[str, tuple[Any, str]], **fields: Any) -> type[M]:
    """A model that has ``keys`` (type and description) in the place of any further ones.

    They are absent (None) unless given: the loader lays defaults below what is.
    """
    further: dict[str, Any] = {
        subtree(key): (kind, Field(default=None, alias=key, description=description, validate_default=False))
        for key, (kind, description) in keys.items()
    }
    bases: Any = (base, _Closed)
    made: Any = create_model(base.__name__, __base__=bases, **further, **fields)
    return cast("type[M]", made)


def _first_line(model: type[SpecModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _by_type(name: str, chart: type[SpecModel], services: Sequence[Service]) -> Any:
    types = sorted({s.type for s in services})
    by_type = {t: _keyed(f"{name}.{t}", {s.name: chart for s in services if s.type == t}) for t in types}
    return _keyed(name, by_type, "service type")


def _node_override(services: Sequence[Service]) -> Any:
    return create_model(
        "NodeOverride",
        __base__=NodeOverride,
        features=_retyped(NodeOverride, "features", _keyed("NodeFeatures", subtree_models(services, "node_features"), "")),
        services=_retyped(NodeOverride, "services", _by_type("NodeServiceValues", NodeChart, services)),
    )


def _timeouts(services: Sequence[Service]) -> type[Timeouts]:
    readiness = _keyed("ApplicationReadiness", {s.name: Readiness for s in services})
    field = _retyped(Timeouts, "application_readiness", readiness)
    return create_model("Timeouts", __base__=Timeouts, application_readiness=field)


def _plugins(names: Collection[str]) -> type[PluginSettings]:
    keys = {name: (dict[str, Any], "What this plugin reads.") for name in sorted(names) if name != "disabled"}
    return _closed(PluginSettings, keys)


def _keyed(name: str, keys: Mapping[str, Any], placeholder: str = "service") -> Any:
    """A mapping in which each of these keys may stand and no other; a plain dict once validated.

    ``placeholder`` stands for any of the keys where the reference says once what holds for all.
    """
    make: Any = TypedDict  # as a function: which keys there are is known at run time only
    made = make(name, dict(sorted(keys.items())), total=False)
    made.__pydantic_config__ = ConfigDict(extra="forbid", strict=True, json_schema_extra={PLACEHOLDER: placeholder})
    return made
