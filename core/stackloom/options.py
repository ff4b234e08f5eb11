"""Options that a service takes as they come, and secrets among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from stackloom.errors import Problem
from stackloom.fields import ValueFrom
from stackloom.spec.values import OptionValue

Option = OptionValue | ValueFrom
"""The value of an option, or where it is read from if it is a secret."""

_SECRET = re.compile(r"(pass(word|wd|phrase)?|secret|token|(?<!private)_key)$", re.IGNORECASE)


def secrets_in_clear(options: Mapping[str, object], path: str) -> Iterator[Problem]:
    """A problem for each option at ``path`` that is a secret by its name and does not refer to a Secret."""
    for name, value in options.items():
        if _SECRET.search(name) and not isinstance(value, ValueFrom):
            yield Problem(
                path=f"{path}.{name}",
                what="a secret must not stand here in clear: it would be readable in Git",
                hint="Put it into a Secret and refer to it: {value_from: {secret_key_ref: {name: ..., key: ...}}}",
            )
