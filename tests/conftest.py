from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.distributions import Distributions

SMALLEST = """\
apiVersion: lcm.mirantis.com/v1alpha1
kind: OpenStackDeployment
metadata:
  name: cloud
spec:
  openstack_version: gazpacho
  preset: core
  size: single
  public_domain_name: cloud.example.org
  features:
    services: [identity]
"""

# What chooses real parts for tests, and says where they are, stays; what would change a synthesis goes.
_KEPT = ("STACKLOOM_REQUIRE_REAL",)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("STACKLOOM_", "CDK8S_")) and name not in _KEPT:
                patch.delenv(name)
        yield


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    """An empty folder of distributions on the path."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    made = Distributions(folder)
    yield made
    made.forget()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, which it is in, with the smallest ``deployment.yaml``: identity alone."""
    folder = tmp_path / "workplace"
    folder.mkdir()
    (folder / "deployment.yaml").write_text(SMALLEST)
    monkeypatch.chdir(folder)
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once for each reason how many tests were skipped for it: what this machine lacks."""
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"skipped {count}: {reason}")
