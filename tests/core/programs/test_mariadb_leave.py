"""How long a server that is about to be stopped goes on serving."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kube import Unavailable
from mariadb_leave import BLIND_SECONDS, PAUSE_SECONDS, ROLE_SECONDS, SETTLE_SECONDS, leave


def waited(answers: Iterator[bool | Exception]) -> list[float]:
    """The pauses that are made while the API says this about the role."""
    pauses: list[float] = []

    def has_role() -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    leave(has_role, pauses.append)
    return pauses


def for_ever() -> Iterator[bool]:
    while True:
        yield True


@pytest.mark.parametrize(
    ("answers", "pauses"),
    [
        ([False], [SETTLE_SECONDS]),
        ([True, True, False], [PAUSE_SECONDS, PAUSE_SECONDS, SETTLE_SECONDS]),
        ([Unavailable("away")], [BLIND_SECONDS]),
        ([True, Unavailable("away")], [PAUSE_SECONDS, BLIND_SECONDS]),
    ],
)
def test_it_goes_on_until_clients_are_led_elsewhere(answers: list[bool | Exception], pauses: list[float]) -> None:
    assert waited(iter(answers)) == pauses


def test_it_does_not_wait_for_ever_for_a_role_that_nobody_can_take() -> None:
    assert sum(waited(for_ever())) == pytest.approx(ROLE_SECONDS + SETTLE_SECONDS, abs=0.5)
