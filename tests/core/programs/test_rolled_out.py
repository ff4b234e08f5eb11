from __future__ import annotations

from typing import Any

import pytest
import rolled_out


def deployment(*, release: str = "r2", wanted: int = 3, seen: int = 2, **status: int) -> dict[str, Any]:
    meta = {"name": "api", "labels": {rolled_out.RELEASE_LABEL: release}, "generation": 2}
    return {"metadata": meta, "spec": {"replicas": wanted}, "status": {"observedGeneration": seen, **status}}


DONE = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}


def test_all_pods_are_new_and_none_is_left() -> None:
    assert rolled_out.missing(deployment(**DONE), "r2") == ""
    assert rolled_out.missing(deployment(wanted=0), "r2") == ""


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (deployment(release="r1", **DONE), "is that of r1"),
        (deployment(seen=1, **DONE), "was changed just now"),
        (deployment(**{**DONE, "updatedReplicas": 2}), "2 are new and 3 available"),
        (deployment(**{**DONE, "availableReplicas": 1}), "3 are new and 1 available"),
        (deployment(**{**DONE, "replicas": 4}), "1 old Pods"),
        (deployment(**DONE, terminatingReplicas=1), "1 old Pods"),
        (deployment(), "0 are new"),
    ],
)
def test_it_says_what_is_still_to_come(found: dict[str, Any], said: str) -> None:
    assert said in rolled_out.missing(found, "r2")


def test_it_waits_until_nothing_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    seen = iter(["two are left", "two are left", "one is left", ""])
    rolled_out.wait(lambda: next(seen), lambda: None, lambda: 0.0)
    assert capsys.readouterr().out == "waiting: two are left\nwaiting: one is left\n"
