"""What was started, when it was ready, and what its probes said: for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.real.boot.pod import Pod, Running

COMMAND_WIDTH, PROBE_WIDTH = 52, 46


@dataclass(frozen=True, slots=True)
class Row:
    """One container.

    Times are in seconds since its Pod was made: ``gated`` until its init containers had ended, ``after`` until it was ready or
    had ended well; None where that has not happened.
    """

    pod: str
    container: str
    command: str
    gated: float | None
    after: float | None
    result: str
    restarts: int


def rows(pods: Iterable[Pod]) -> list[Row]:
    """All containers that were started; init containers only where they are more than the gate or were restarted."""
    return [_row(pod, one) for pod in pods for one in pod.everything() if one.container.name != "gate" or one.restarts]


def _row(pod: Pod, one: Running) -> Row:
    command = shlex.join(one.container.command)
    probe = one.probes.get("readinessProbe") or one.probes.get("startupProbe")
    ended = one.container.ended()
    if probe and ended is None:
        result, after = probe.answer, one.ready_after
    else:
        result = "runs" if ended is None else f"status {ended}"
        after = pod.gated if one.container.name in pod.initial else pod.ended_after
    return Row(pod.name, one.container.name, command, pod.gated, after, result, one.restarts)


def text(found: Sequence[Row], notes: Iterable[str]) -> str:
    """A table, and the notes below it."""
    lines: list[tuple[str, ...]] = [("Pod / container", "command", "gate s", "ready s", "probe or end", "restarts")]
    for row in found:
        name = row.pod if row.container in row.pod else f"{row.pod} / {row.container}"
        figures = ["-" if seconds is None else f"{seconds:.1f}" for seconds in (row.gated, row.after)]
        lines.append((name, _short(row.command, COMMAND_WIDTH), *figures, _short(row.result, PROBE_WIDTH), str(row.restarts)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*table, *(f"  {note}" for note in notes)])


def _short(words: str, width: int) -> str:
    line = " ".join(words.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
