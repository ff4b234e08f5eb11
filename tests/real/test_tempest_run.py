"""The program that runs Tempest, with the real stestr and subunit, on tests of which it is known how they end."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.real.openstack import environment

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
DIRECTORIES = ("core/stackloom/programs", "plugins/stackloom_openstack/tempest/programs")
TESTS = """\
import sys, unittest
class Known(unittest.TestCase):
    def test_that_passes(self):
        print("printed by a test")
    def test_that_fails(self):
        self.assertEqual(1, 2)
    @unittest.skip("not here")
    def test_that_is_skipped(self):
        pass
class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no cloud")
    def test_that_never_begins(self):
        pass
"""
# What stands for `tempest run`: as it does, it leaves the work to stestr.
TEMPEST = """\
#!/bin/sh
printf '[DEFAULT]\\ntest_path={folder}\\ntop_dir={folder}\\n' > .stestr.conf
exec stestr run --serial
"""


def test_what_became_of_each_test_is_read_from_the_stream(tmp_path: Path) -> None:
    venv = environment()
    for name, text in {"tests/test_known.py": TESTS, "bin/tempest": TEMPEST.format(folder=tmp_path / "tests")}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "bin" / "tempest").chmod(0o755)
    (tmp_path / "tests" / "__init__.py").touch()
    (tmp_path / "plan.json").write_text(json.dumps({"include": ["."], "exclude": [], "concurrency": 1, "keep": 1}))
    (tmp_path / "found.json").write_text("{}")
    (tmp_path / "results").mkdir()
    ended = subprocess.run(
        [venv / "bin" / "python", ROOT / DIRECTORIES[1] / "tempest_run.py", "plan.json", tmp_path / "results", "found.json"],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path / 'bin'}:{venv / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": ":".join(str(ROOT / directory) for directory in DIRECTORIES),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (directory,) = (tmp_path / "results").iterdir()
    summary = json.loads((directory / "summary.json").read_text())
    assert (summary["passed"], summary["failed"], summary["skipped"]) == (1, 2, 1), ended
    assert summary["failures"] == ["setUpClass (test_known.Broken)", "test_known.Known.test_that_fails"]
    results = (directory / "results.xml").read_text()
    assert "AssertionError: 1 != 2" in results
    assert "not here" in results
    assert (ended.returncode, ended.stderr) == (1, "failed: 2 of the tests did not pass\n")
