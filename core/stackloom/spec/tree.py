"""The whole tree of the specification: what all services share, with the subtrees of the services that plugins offer.

The result is a model like any other: it validates, it gives the JSON Schema and the reference, and it knows every key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, cast

from pydantic import ConfigDict, Field, WithJsonSchema, create_model
from typing_extensions import TypedDict

from stackloom.errors import Problem, StackloomError
from stackloom.fields import NonEmpty, Positive, SpecModel
from stackloom.model.names import has_passwords
from stackloom.model.service import Service
from stackloom.spec import cr
from stackloom.spec.database import CleanupSettings, Database
from stackloom.spec.deployment import OpenStackDeployment, Readiness, Spec, Timeouts
from stackloom.spec.features import Features, Logging, Policies, Rules, ServiceLogging, subtree
from stackloom.spec.nodes import PLACEHOLDER, NodeLabel, NodeOverride
from stackloom.spec.operations import Credentials, PluginSettings
from stackloom.spec.values import Chart, NodeChart


class _Closed(SpecModel):
    """Takes back that a model has further keys: here they are all known. What is made here has no source to read docs from."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=False)


M = TypeVar("M", bound=SpecModel)


def whole_tree(services: Sequence[Service], plugins: Collection[str] = ()) -> type[OpenStackDeployment]:
    """The model of a deployment with these services; ``plugins`` are the names under ``spec.plugins``.

    Raises StackloomError where two services model one subtree of ``features`` differently.
    """
    spec = _narrowed(
        Spec,
        features=_features(services),
        services=_by_type("ServiceValues", Chart, services),
        nodes=dict[NodeLabel, _node_override(services)],  # type: ignore[misc]
        timeouts=_narrowed(Timeouts, application_readiness=_keyed("ApplicationReadiness", {s.name: Readiness for s in services})),
        credentials=_narrowed(Credentials, rotation=_keyed("Rotation", {s.name: Positive for s in services if has_passwords(s)})),
        plugins=_narrowed(
            PluginSettings, {name: (dict[str, Any], "What this plugin reads.") for name in plugins if name != "disabled"}
        ),
    )
    return _narrowed(OpenStackDeployment, spec=spec)


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
    names = sorted(s.name for s in services)
    types = sorted({s.type for s in services} | cr.INFRASTRUCTURE)
    # For editors only: which names are wrong, and what to say of each, is left to the loader.
    listed = list[Annotated[NonEmpty, WithJsonSchema({"type": "string", "enum": types})]] | None
    cleanup = _keyed("Cleanup", {s.name: CleanupSettings for s in services if s.cleanup})
    return _narrowed(
        Features,
        {name: (model, _first_line(model)) for name, model in subtree_models(services).items()},
        services=listed,
        policies=_narrowed(Policies, dict.fromkeys(names, (Rules, "Rules by name."))),
        logging=_narrowed(Logging, dict.fromkeys(names, (ServiceLogging, "How much it logs."))),
        database=_narrowed(Database, cleanup=cleanup),
    )


def _narrowed(base: type[M], keys: Mapping[str, tuple[Any, str]] | None = None, **kinds: Any) -> type[M]:
    """``base`` with narrower types of some fields, and with ``keys`` (type and description) in the place of any further ones.

    What stands under those keys is absent (None) unless given: the loader lays defaults below what is.
    """
    fields: dict[str, Any] = {
        subtree(key): (kind, Field(default=None, alias=key, description=description, validate_default=False))
        for key, (kind, description) in sorted((keys or {}).items())
    }
    bases: Any = (base, _Closed)
    made: Any = create_model(base.__name__, __base__=bases, **fields, **{n: _retyped(base, n, kind) for n, kind in kinds.items()})
    return cast("type[M]", made)


def _retyped(base: type[SpecModel], name: str, kind: Any) -> Any:
    """The field of a model with another type; its default is what that type makes of nothing."""
    old = base.model_fields[name]
    default: Any = {}
    if not old.is_required():
        nothing = kind if isinstance(kind, type) and issubclass(kind, SpecModel) else old.default_factory or dict
        default = {"default": None} if old.default is None else {"default_factory": nothing}
    return (kind, Field(description=old.description, json_schema_extra=old.json_schema_extra, **default))


def _first_line(model: type[SpecModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _by_type(name: str, chart: type[SpecModel], services: Sequence[Service]) -> Any:
    types = sorted({s.type for s in services})
    by_type = {t: _keyed(f"{name}.{t}", {s.name: chart for s in services if s.type == t}) for t in types}
    return _keyed(name, by_type, "service type")


def _node_override(services: Sequence[Service]) -> type[NodeOverride]:
    return _narrowed(
        NodeOverride,
        features=_keyed("NodeFeatures", subtree_models(services, "node_features"), ""),
        services=_by_type("NodeServiceValues", NodeChart, services),
    )


def _keyed(name: str, keys: Mapping[str, Any], placeholder: str = "service") -> Any:
    """A mapping in which each of these keys may stand and no other; a plain dict once validated.

    ``placeholder`` stands for any of the keys where the reference says once what holds for all.
    """
    make: Any = TypedDict  # as a function: which keys there are is known at run time only
    made = make(name, dict(sorted(keys.items())), total=False)
    made.__pydantic_config__ = ConfigDict(extra="forbid", strict=True, json_schema_extra={PLACEHOLDER: placeholder})
    return made
