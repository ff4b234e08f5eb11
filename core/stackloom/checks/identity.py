"""Each object exists once, and has a file of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stackloom.checks.context import CheckContext
from stackloom.checks.index import Index, problem
from stackloom.errors import Problem
from stackloom.model.output import Output


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:  # noqa: ARG001
    """No two objects of one kind, namespace and name; no two files of one component that differ in case alone."""
    objects: dict[tuple[str, str, str], Output] = {}
    files: dict[str, Output] = {}
    for o in Index.of(output).objects:
        first = objects.setdefault((o.kind, o.namespace, o.name), o)
        if first is not o:
            where = f"the component {first.component!r}{f' ({first.source})' if first.source else ''}"
            yield problem(o, "metadata.name", f"{where} has a {o.kind} of this name too", "Give one of them another name")
            continue
        file = o.file.rpartition("/")[2]
        first = files.setdefault(o.file.lower(), o)
        if first is not o:
            other = f"{first.kind} {first.name!r}" + (
                f" in the namespace {first.namespace!r}" if first.namespace != o.namespace else ""
            )
            yield problem(o, "metadata.name", f"its file {file} is that of the {other} too", "Give one of them another name")
