"""Checks on what is about to be written. Each module has one: ``check(output, context)`` yields problems."""

from __future__ import annotations

from collections.abc import Sequence

from stackloom.checks import (
    connections,
    digests,
    gates,
    identity,
    invariants,
    names_legal,
    readers,
    references,
    schemas,
    secrets_clear,
    selectors,
)
from stackloom.checks.context import CheckContext, External
from stackloom.checks.index import Index
from stackloom.errors import Problem
from stackloom.model.output import Output

__all__ = ["CHECKS", "CheckContext", "External", "run_all"]

CHECKS = (schemas, identity, names_legal, references, readers, gates, selectors, connections, secrets_clear, invariants, digests)


def run_all(output: Sequence[Output], context: CheckContext) -> list[Problem]:
    """The problems that all checks find, check by check; none where the output may be written."""
    index = Index.of(output)
    return [problem for module in CHECKS for problem in module.check(index, context)]
