"""Services started from their manifests, with all that they stand on, and used as their users do: through the ingress.

Once for all of them together. `pytest -m soak -k glance tests/real/test_boot.py` boots one alone, with what it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.real.boot.node import booted
from tests.real.boot.scenario import Scenario, deployment_of, scenarios, seen_by_users, synthesised

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1800),
    # The SDK warns of what will change in its next versions, and does so of calls that it makes itself.
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

PATIENCE_SECONDS = 1200
ALL = scenarios()
TOGETHER = {name: scenario for name, scenario in ALL.items() if not scenario.alone}


@contextmanager
def beside(chosen: Mapping[str, Scenario], folder: Path) -> Iterator[None]:
    """What these scenarios have beside the cloud."""
    with ExitStack() as stack:
        for name, scenario in chosen.items():
            if scenario.beside:
                (folder / name).mkdir()
                stack.enter_context(scenario.beside(folder / name))
        yield


def shown(chosen: Mapping[str, Scenario], folder: Path, subtests: pytest.Subtests, capsys: pytest.CaptureFixture[str]) -> None:
    """Boot a cloud of these scenarios' services, print what ran, and let each show what it has to."""
    given = [o for scenario in chosen.values() for o in scenario.objects]
    with booted([*synthesised(deployment_of(list(chosen.values())), folder), *given]) as node, beside(chosen, folder):
        seconds = node.wait(PATIENCE_SECONDS)
        with capsys.disabled():  # for people, and past the processes of pytest-xdist, which keep their output to themselves
            print(f"\n{node.table()}\n  all of it after {seconds:.0f} s", file=sys.stderr)  # noqa: T201
        with seen_by_users(node, folder) as cloud:
            for name, scenario in chosen.items():
                for show in scenario.shows:
                    with subtests.test(f"{name}: {show.__name__.replace('_', ' ')}"):
                        show(cloud)


@pytest.mark.cloud
def test_all_services_boot_together(subtests: pytest.Subtests, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shown(TOGETHER, tmp_path, subtests, capsys)


@pytest.mark.soak
@pytest.mark.parametrize("name", ALL)
def test_a_service_boots(name: str, subtests: pytest.Subtests, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shown({name: ALL[name]}, tmp_path, subtests, capsys)
