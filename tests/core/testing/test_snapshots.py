"""Each test runs a pytest of its own, as an author of a plugin does."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TEST = """
from stackloom import Output

def body(kind, name, **more):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **more}}

def test_glance(assert_snapshots):
    assert_snapshots([Output("glance", b) for b in OBJECTS])
"""
FILES = 'body("ConfigMap", "glance-etc", labels={"text": "one\\ntwo\\n"})'
SYNC = 'body("Job", "glance-db-sync-{}", labels={{"stackloom.io/job": "glance-db-sync"}})'


def run(pytester: pytest.Pytester, objects: str, *arguments: str) -> pytest.RunResult:
    """Run the test on these objects."""
    pytester.makepyfile(test_module=f"{TEST}\nOBJECTS = [{objects}]\n")
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", *arguments)


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pytest inside is the only one of its run, even where this one is one of several."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """Where the snapshots of the test are, once it has made some of two objects."""
    run(pytester, f"{FILES}, {SYNC.format('0123456789')}", "--snapshot-update").assert_outcomes(passed=1)
    return pytester.path / "__snapshots__" / "test_module" / "test_glance"


def files(folder: Path) -> list[str]:
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*.yaml"))


def test_each_object_has_a_file_with_the_text_of_the_output(pytester: pytest.Pytester, folder: Path):
    assert files(folder) == ["glance/ConfigMap.glance-etc.yaml", "glance/Job.glance-db-sync.yaml"]
    assert "    text: |\n      one\n      two\n" in (folder / "glance" / "ConfigMap.glance-etc.yaml").read_text()
    run(pytester, f"{FILES}, {SYNC.format('0123456789')}").assert_outcomes(passed=1)


def test_all_differences_are_shown_and_a_job_with_another_hash_is_one(pytester: pytest.Pytester, folder: Path):
    changed = FILES.replace("two", "three") + ", " + SYNC.format("abcdefabcd")
    found = run(pytester, changed)
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*glance/ConfigMap/glance-etc*", "*three*", "*glance/Job/glance-db-sync-abcdefabcd*"])
    run(pytester, changed, "--snapshot-update").assert_outcomes(passed=1)
    assert "abcdefabcd" in (folder / "glance" / "Job.glance-db-sync.yaml").read_text()


def test_an_object_that_is_no_more_is_a_difference(pytester: pytest.Pytester, folder: Path):
    found = run(pytester, FILES)
    found.assert_outcomes(passed=1, errors=1)
    found.stdout.fnmatch_lines(["*no object any more: glance/Job.glance-db-sync*"])
    run(pytester, FILES, "--snapshot-update").assert_outcomes(passed=1)
    assert files(folder) == ["glance/ConfigMap.glance-etc.yaml"]


def test_snapshots_of_a_test_that_is_no_more_are_found(pytester: pytest.Pytester, folder: Path):
    (folder.parent / "test_removed" / "glance").mkdir(parents=True)
    (folder.parent / "test_removed" / "glance" / "Service.glance-api.yaml").write_text("kind: Service\n")
    found = run(pytester, f"{FILES}, {SYNC.format('0123456789')}")
    assert found.ret == 1
    found.stdout.fnmatch_lines(["*1 snapshot unused*"])
