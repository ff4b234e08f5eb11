"""Only those read a credential whom it names as its readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stackloom.checks.context import CheckContext
from stackloom.checks.index import TASK_LABEL, Index, at, problem, text
from stackloom.checks.pod_references import pod_references
from stackloom.errors import Problem
from stackloom.model.output import Output


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:
    """Workloads refer to Secrets of which their component, or their task if they are a Job, is a reader."""
    readers = {credential.name: credential.readers for credential in context.credentials}
    for workload in Index.of(output).workloads:
        o = workload.output
        task = text(at(o.body, "metadata", "labels"), TASK_LABEL) if o.kind in ("Job", "CronJob") else ""
        reported = set()
        for reference in pod_references(workload):
            if reference.kind != "Secret" or reference.name not in readers or reference.name in reported:
                continue
            allowed = readers[reference.name]
            if o.component not in allowed and f"task:{task}" not in allowed:
                reported.add(reference.name)
                what = f"{o.component!r} is no reader of the credential {reference.name!r}"
                named = f"the task {task!r}" if task else f"the component {o.component!r}"
                yield problem(
                    o, reference.field, what, f"Readers are {', '.join(sorted(allowed))}: add {named}, or do without the secret"
                )
