"""Putting an output in place of the last one: whole, or not at all."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from stackloom.errors import Problem, StackloomError

_ELSEWHERE = "Choose another folder with CDK8S_OUTDIR"


def refuse_foreign(outdir: Path) -> None:
    """Raise :class:`StackloomError` where ``outdir`` holds what this program did not write, and so must not remove."""
    if outdir.exists() and not outdir.is_dir():
        raise StackloomError(Problem(f"{outdir} is not a folder", f"{_ELSEWHERE}, or move the file away"))
    with _usable(outdir):
        foreign = _foreign(outdir) if outdir.exists() else None
    if foreign:
        lost = f"{outdir} holds {foreign.relative_to(outdir)}, which is not part of an output and would be lost"
        raise StackloomError(Problem(lost, f"{_ELSEWHERE}, or move the file away"))


@contextmanager
def _usable(outdir: Path) -> Iterator[None]:
    """Say what the system has against the output's folder."""
    try:
        yield
    except OSError as error:
        raise StackloomError(Problem(f"{outdir} cannot be written: {error.strerror}", _ELSEWHERE)) from error


def _foreign(outdir: Path) -> Path | None:
    for folder in sorted(outdir.iterdir()):
        if not folder.is_dir():
            return folder
        for file in sorted(folder.iterdir()):
            if file.suffix != ".yaml" or not file.is_file():
                return file
    return None


def previous_components(outdir: Path) -> set[str]:
    """The folders of the last output. The cdk8s CLI removes the folder before it runs the app: then Git knows."""
    if outdir.is_dir():
        return {folder.name for folder in outdir.iterdir() if folder.is_dir()}
    command = ["git", "-C", str(outdir.parent), "ls-tree", "-d", "--name-only", "HEAD", f"./{outdir.name}/"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return set()  # no Git, or no repository, or no commit: there is no last output
    return {Path(line).name for line in listing.stdout.splitlines()}


def unconfirmed_removals(outdir: Path, components: Collection[str], confirmed: Collection[str]) -> list[Problem]:
    """A problem for each component that would vanish without being confirmed: Argo CD would prune what runs."""
    gone = previous_components(outdir) - set(components) - set(confirmed)
    return [
        Problem(
            f"{name} is in {outdir} and would be removed, and with it what runs in the cluster",
            f"If that is meant, confirm it: stackloom synth --allow-removal {name}, or STACKLOOM_ALLOW_REMOVAL={name}",
        )
        for name in sorted(gone)
    ]


def publish(texts: Iterable[tuple[str, str]], outdir: Path) -> None:
    """Put an output in the place of the last one: each text in its file (``keystone/Deployment.keystone-api.yaml``).

    It is written beside ``outdir``, so that a rename puts it in place. Where ``outdir`` is a link, it stays one.
    """
    place = outdir.resolve()
    staging = place.with_name(f".{place.name}.new")
    with _usable(outdir):
        try:
            _write(texts, staging)
            _swap(staging, place)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _write(texts: Iterable[tuple[str, str]], staging: Path) -> None:
    shutil.rmtree(staging, ignore_errors=True)
    for folder, files in groupby(texts, key=lambda item: item[0].rpartition("/")[0]):
        (staging / folder).mkdir(parents=True, exist_ok=True)
        for file, text in files:
            with open(f"{staging}/{file}", "w", encoding="utf-8", newline="\n") as stream:  # noqa: PTH123 - a third of the time
                stream.write(text)


def _swap(new: Path, place: Path) -> None:
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
