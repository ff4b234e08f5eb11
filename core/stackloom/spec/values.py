"""What may be changed of one service: ``spec.services.<service>.<name>.values``, and the same for some nodes only."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from stackloom.fields import NonEmpty, NotNegative, SpecModel, ValueFrom, refuse

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([numkMGTPE]|[KMGTPE]i)?")
_POWERS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = "KMGTPE"
_IMAGE = re.compile(
    r"([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:\d{1,5})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?",
    re.ASCII,
)


def quantity(text: str) -> Decimal:
    """A quantity of Kubernetes as a number: cores or bytes. Raises ValueError for what is none."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(text)
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix.endswith("i"):
        return number * Decimal(1024) ** (_BINARY.index(suffix[0]) + 1)
    return number.scaleb(_POWERS[suffix])


def _quantity(value: str) -> str:
    if _QUANTITY.fullmatch(value) is None:
        refuse(f"{value!r} is not a quantity", "Write cores like 500m or 2, and memory like 512Mi or 4Gi")
    if not quantity(value):
        refuse("a quantity of 0 is no resource", "Leave the key out, or write what the container needs")
    return value


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Quantity = Annotated[str, BeforeValidator(_number_as_text, json_schema_input_type=str | float), AfterValidator(_quantity)]
"""CPU or memory as Kubernetes writes it: ``500m``, ``2``, ``512Mi``."""


def _image(value: str) -> str:
    if _IMAGE.fullmatch(value) is None:
        refuse(f"{value!r} is not an image reference", "Write it like registry.example.org/openstack/keystone:2026.1")
    if ":" not in value.rsplit("/", 1)[-1]:
        what = f"{value!r} has neither a tag nor a digest: what runs would change without a change here"
        refuse(what, "Add :<tag> or @sha256:<digest>")
    return value


ImageReference = Annotated[str, AfterValidator(_image)]
"""An image by name with a tag or a digest."""


def _option(value: Any) -> Any:
    if isinstance(value, dict):
        what = "an option takes text, a number, true or false, or a list of these"
        refuse(what, "Write a mapping's pairs as a list of key:value texts")
    return value


Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
OptionValue = Annotated[Scalar | list[Scalar], BeforeValidator(_option)]
"""The value of an option of oslo.config; a list is written in the way that the option's type wants it."""
Conf = dict[NonEmpty, dict[NonEmpty, dict[NonEmpty, OptionValue | ValueFrom]]]
"""Options by file, group and name: ``{keystone: {DEFAULT: {debug: true}}}``. A secret is a reference: ``{value_from: ...}``."""


class ResourceAmounts(SpecModel):
    """CPU and memory."""

    cpu: Quantity | None = None
    """Cores, like ``500m`` or ``2``."""
    memory: Quantity | None = None
    """Bytes, like ``512Mi`` or ``4Gi``."""


class Resources(SpecModel):
    """What a component's containers ask for and may use at most."""

    requests: ResourceAmounts = ResourceAmounts()
    """What the scheduler reserves."""
    limits: ResourceAmounts = ResourceAmounts()
    """What a container may use at most."""


class NodeValues(SpecModel):
    """What may differ on some nodes."""

    conf: Conf = Field(default_factory=dict)
    """Options of the service's configuration files, by file (without ``.conf``), group and option."""
    resources: dict[NonEmpty, Resources] = Field(default_factory=dict)
    """Requests and limits by component."""

    def resources_of(self, component: str) -> dict[str, dict[str, str]]:
        """What was asked for the component: ``{"requests": {"cpu": "1"}}``, without what was not."""
        found = self.resources.get(component)
        return found.model_dump(exclude_none=True, exclude_unset=True) if found else {}


class Values(NodeValues):
    """What may be changed of a service beyond its features."""

    replicas: dict[NonEmpty, NotNegative] = Field(default_factory=dict)
    """Replicas by component, instead of those of ``spec.size``."""
    images: dict[NonEmpty, ImageReference] = Field(default_factory=dict)
    """Images by role, instead of those of the release."""
    unchecked: dict[NonEmpty, list[NonEmpty]] = Field(default_factory=dict)
    """Options that are taken as they stand, because a driver from elsewhere declares them: ``{cinder: [fast.acme_serial]}``."""


class Chart(SpecModel):
    """The values of a service. The name is the CR's, which deploys Helm charts."""

    values: Values = Values()
    """What is changed."""


class NodeChart(SpecModel):
    """The values of a service on some nodes."""

    values: NodeValues = NodeValues()
    """What is changed there."""
