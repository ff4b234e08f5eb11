"""Putting an output in place of the last one: whole, or not at all."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Iterable
from itertools import groupby
from pathlib import Path

from stackloom.errors import Problem, StackloomError


def staging_for(outdir: Path) -> Path:
    """Where the next output is written: beside the folder it will replace, so that a rename puts it in place.

    Raises :class:`StackloomError` where ``outdir`` holds what this program did not write, and so must not remove.
    """
    if outdir.exists() and (foreign := _foreign(outdir)):
        raise StackloomError(
            Problem(
                f"{outdir} holds {foreign.relative_to(outdir)}, which is not part of an output and would be lost",
                "Choose another folder with CDK8S_OUTDIR, or move the file away",
            )
        )
    return outdir.parent / f".{outdir.name}.new"


def _foreign(outdir: Path) -> Path | None:
    if not outdir.is_dir():
        return outdir
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


def write(texts: Iterable[tuple[str, str]], staging: Path) -> None:
    """Write each text to its file (``keystone/Deployment.keystone-api.yaml``) under ``staging``, and nothing else."""
    shutil.rmtree(staging, ignore_errors=True)
    for folder, files in groupby(texts, key=lambda item: item[0].rpartition("/")[0]):
        (staging / folder).mkdir(parents=True, exist_ok=True)
        for file, text in files:
            with open(f"{staging}/{file}", "w", encoding="utf-8", newline="\n") as stream:  # noqa: PTH123 - a third of the time
                stream.write(text)


def publish(staging: Path, outdir: Path) -> None:
    """Put ``staging`` in the place of ``outdir``."""
    outdir.parent.mkdir(parents=True, exist_ok=True)
    old = outdir.parent / f".{outdir.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if outdir.exists():
        outdir.rename(old)
    staging.rename(outdir)
    shutil.rmtree(old, ignore_errors=True)
