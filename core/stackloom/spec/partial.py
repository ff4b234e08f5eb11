"""A deployment as far as it is valid, for the rules: so that one wrong field does not hide what is wrong elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, create_model

from stackloom.fields import SpecModel
from stackloom.spec.deployment import Spec
from stackloom.spec.features import Features
from stackloom.spec.paths import KeyPath

M = TypeVar("M", bound=BaseModel)


class _Part(SpecModel):
    """Some fields of a model. What is made of it has no source to read docs from."""

    model_config = ConfigDict(use_attribute_docstrings=False)


def as_far_as_valid(model: type[M], data: Any, wrong: Collection[KeyPath], path: KeyPath = ()) -> M:
    """An instance of ``model`` that lacks the fields with something ``wrong`` at or around them: those raise AttributeError.

    The deployment, its spec and its features are taken apart; any other value is there whole or not at all.
    """
    given = data if isinstance(data, dict) else {}
    fields = {(field.alias or name): (name, field) for name, field in model.model_fields.items()}
    good = [key for key in fields if not any(_overlap((*path, key), bad) for bad in wrong)]
    kinds: dict[str, Any] = {name: (field.annotation, field) for name, field in (fields[key] for key in good)}
    valid = create_model(model.__name__, __base__=_Part, **kinds).model_validate(
        {key: given[key] for key in good if key in given}
    )
    values = {fields[key][0]: getattr(valid, fields[key][0]) for key in good}
    for key, (name, field) in fields.items():
        if key not in good and isinstance(field.annotation, type) and issubclass(field.annotation, Spec | Features):
            values[name] = as_far_as_valid(field.annotation, given.get(key), wrong, (*path, key))
    made = model.model_construct(**values)
    for name in model.model_fields.keys() - values.keys():
        made.__dict__.pop(name, None)
    return made


def _overlap(one: KeyPath, other: KeyPath) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
