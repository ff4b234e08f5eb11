"""Clouds that are built and checked in tests, and written nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom.app import Cloud
from stackloom.model.output import Output
from stackloom.plugins import Plugins


class _Plain(yaml.SafeDumper):
    """Writes out what is in a deployment more than once, which takes no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """Never an alias."""
        del data
        return True


class Synthesis:
    """Makes the objects of deployments. It needs a ``folder`` for those that are no files yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    @contextmanager
    def below(cls, folder: Path) -> Iterator[Synthesis]:
        """One that looks at no output of the project that is tested."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CDK8S_OUTDIR", str(folder / "dist"))
            yield cls(folder)

    def __call__(self, deployment: Mapping[str, Any] | str | Path, *, plugins: Plugins | None = None) -> list[Output]:
        """Every object of the deployment, once all checks have passed. Raises :class:`StackloomError` with what they find."""
        return Cloud(self._file(deployment), plugins=plugins).checked()

    def _file(self, deployment: Mapping[str, Any] | str | Path) -> Path:
        if isinstance(deployment, Path) or (isinstance(deployment, str) and "\n" not in deployment):
            return Path(deployment)
        file = self._folder / "deployment.yaml"
        text = deployment if isinstance(deployment, str) else yaml.dump(dict(deployment), Dumper=_Plain, sort_keys=False)
        file.write_text(text, encoding="utf-8")
        return file
