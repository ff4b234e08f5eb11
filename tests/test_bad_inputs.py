from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_inputs import Case, cases, messages_of, problems_of

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_bad_deployment_gets_exactly_these_messages(case: Case, tmp_path: Path) -> None:
    problems = problems_of(case, tmp_path)
    assert messages_of(case, problems) == case.row["problems"]
    assert problems
    assert all(p.location is not None and p.location.line > 0 for p in problems if not case.raw)


def test_the_tables_hold_what_was_promised_and_no_case_twice() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 150
