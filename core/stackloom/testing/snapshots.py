"""Snapshots of manifests: each in a file of its own, with the text that the output has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.data import Snapshot, SnapshotCollection
from syrupy.extensions.base import AbstractSyrupyExtension
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from stackloom.constructs.component import manifest_text
from stackloom.model.output import Output
from stackloom.names import LABEL_PREFIX


class ManifestExtension(SingleFileSnapshotExtension):
    """Keeps ``<component>/<Kind>.<name>`` in ``__snapshots__/<module>/<test>/<component>/<Kind>.<name>.yaml``."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"

    def serialize(self, data: Any, **_: Any) -> str:
        """The object's YAML."""
        return manifest_text(data)

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """The test's folder."""
        return str(Path(super().dirname(test_location=test_location)) / cls._test(test_location))

    @classmethod
    def discovery_dirname(cls, *, test_location: PyTestLocation) -> str:
        """Where snapshots that no test asks for any more are looked for: among those of all modules beside this one."""
        return AbstractSyrupyExtension.dirname(test_location=test_location)

    def owns_snapshot_collection(self, *, filepath: str, test_location: PyTestLocation) -> bool:
        """Whether a file below that folder is a snapshot of this kind."""
        root = Path(self.discovery_dirname(test_location=test_location))
        return self.is_snapshot_location(location=filepath) and len(Path(filepath).relative_to(root).parts) == 4

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Whether a file is a snapshot of a test."""
        return Path(snapshot_location).is_relative_to(cls.dirname(test_location=test_location))

    @classmethod
    def get_file_basename(cls, *, test_location: PyTestLocation, index: Any) -> str:  # noqa: ARG003 - the test's folder says it
        """The file below the test's folder."""
        return str(index)

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: Any = 0) -> str:
        """How syrupy calls it."""
        return f"{cls._test(test_location)}[{index}]"

    def read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        """The one snapshot in a file, by that name."""
        test, component, file = Path(snapshot_location).parts[-3:]
        found = SnapshotCollection(location=snapshot_location)
        found.add(Snapshot(name=f"{test}[{component}/{file.removesuffix('.yaml')}]"))
        return found

    @classmethod
    def _test(cls, test_location: PyTestLocation) -> str:
        return cls._sanitize_filename(test_location.snapshot_name_parametrized)


class Snapshots:
    """The snapshots of one test. Call it with the objects to compare, as often as there are some."""

    def __init__(self, snapshot: SnapshotAssertion) -> None:
        self._expected = snapshot.use_extension(ManifestExtension)
        self._folder = Path(ManifestExtension.dirname(test_location=snapshot.test_location))
        self._named: set[str] = set()

    def __call__(self, output: Iterable[Output]) -> None:
        """Compare each object with its snapshot. Fails with the differences of all."""
        __tracebackhide__ = True
        different = []
        for o in output:
            name = _name(o)
            self._named.add(name)
            try:
                assert dict(o.body) == self._expected(name=name)
            except AssertionError as error:
                different.append(f"{o.path}\n{error}")
        if different:
            pytest.fail("\n\n".join(different), pytrace=False)

    def finish(self, *, update: bool) -> None:
        """Fail for snapshots whose objects are no more, or with ``update`` remove them. A test that compared nothing has none."""
        files = {f.relative_to(self._folder).as_posix().removesuffix(".yaml"): f for f in self._folder.rglob("*.yaml")}
        gone = sorted(files.keys() - self._named) if self._named else []
        if update:
            for name in gone:
                files[name].unlink()
        elif gone:
            pytest.fail(f"no object any more: {', '.join(gone)}\nRun pytest with --snapshot-update, and review", pytrace=False)


def _name(o: Output) -> str:
    """``keystone/Deployment.keystone-api``. A Job's lacks the hash, so that a change of it is seen as one."""
    name = o.labels.get(f"{LABEL_PREFIX}/job", o.name) if o.kind == "Job" else o.name
    return o.file.removesuffix(".yaml").removesuffix(o.name) + name
