"""Who may start a cluster of databases: for any reports that servers may have made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mariadb_election as election
import mariadb_volume as volume
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mariadb_reports import Decision, Refusal, Report, State, is_told
from mariadb_view import View

EXPECTED = [f"mariadb-server-{i}" for i in range(3)]
ONE, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"

positions = st.builds(
    volume.Position,
    kind=st.sampled_from(volume.KINDS),
    uuid=st.sampled_from([ONE, ONE, ONE, OTHER]),
    seqno=st.integers(-1, 4),
    safe_to_bootstrap=st.booleans(),
)
pods = st.sampled_from([*EXPECTED, "mariadb-server-3"])


def reports_of(found: dict[str, volume.Position]) -> dict[str, Report]:
    return {pod: Report(pod=pod, uid=f"uid of {pod}", position=position) for pod, position in found.items()}


reports = st.dictionaries(pods, positions).map(reports_of)
members = st.frozensets(pods)
views = st.dictionaries(pods, st.builds(View, st.sampled_from([ONE, ONE, OTHER]), st.frozensets(pods, min_size=1)))


def elect(found: dict[str, Report], members: frozenset[str] = frozenset(EXPECTED), **more: Any) -> Decision | Refusal:
    return election.elect(found, expected=EXPECTED, members=members, **{"last": None, **more})


def held(*positions: volume.Position) -> dict[str, Report]:
    """What the servers have reported, in the order of their numbers."""
    return reports_of(dict(zip(EXPECTED, positions, strict=False)))


def clean(seqno: int, uuid: str = ONE, *, safe: bool = False) -> volume.Position:
    return volume.Position("clean", uuid, seqno, safe)


def seen(numbers: str, *positions: volume.Position) -> dict[str, Report]:
    """What some have reported who were told last that servers of these numbers are in the cluster."""
    view = View(ONE, frozenset(f"mariadb-server-{number}" for number in numbers))
    return {pod: replace(report, view=view) for pod, report in held(*positions).items()}


EMPTY, PARTIAL = volume.Position("empty"), volume.Position("partial")


@given(reports, members)
def test_whoever_starts_from_data_has_whole_data_and_none_is_newer(found: dict[str, Report], members: frozenset[str]) -> None:
    elected = elect(found, members)
    if isinstance(elected, Decision) and elected.mode == "bootstrap":
        chosen = found[elected.pod].position
        assert chosen.kind in ("clean", "crashed")
        others = [r.position for r in found.values() if r.position.kind in ("clean", "crashed")]
        assert all(p.uuid == chosen.uuid and 0 <= p.seqno <= chosen.seqno for p in others)


@given(reports, members)
def test_without_a_record_of_members_nobody_starts_while_a_server_is_not_accounted_for(
    found: dict[str, Report], members: frozenset[str]
) -> None:
    if isinstance(elect(found, members), Decision):
        assert set(EXPECTED) <= set(found)
        assert all(found[pod].position.kind != "unknown" for pod in EXPECTED)


@given(reports, views)
def test_whoever_starts_without_the_others_has_all_of_its_view_with_it(found: dict[str, Report], views: dict[str, View]) -> None:
    elected = elect({pod: replace(report, view=views.get(pod)) for pod, report in found.items()})
    if isinstance(elected, Decision) and not set(EXPECTED) <= set(found):
        assert found[elected.pod].position.uuid == views[elected.pod].uuid
        assert all(found[pod].position.kind in ("clean", "crashed") for pod in views[elected.pod].members)


@given(reports, members)
def test_new_data_are_made_only_where_there_have_never_been_any(found: dict[str, Report], members: frozenset[str]) -> None:
    elected = elect(found, members)
    if isinstance(elected, Decision) and elected.mode == "new":
        assert not members
        assert {found[pod].position.kind for pod in EXPECTED} == {"empty"}
        assert elected.pod == EXPECTED[0]


@given(reports, members, pods)
def test_an_order_is_carried_out_by_a_stopped_server_with_whole_data_or_refused(
    found: dict[str, Report], members: frozenset[str], force: str
) -> None:
    elected = elect(found, members, force=force)
    if isinstance(elected, Decision):
        assert (elected.mode, elected.pod) == ("forced", force)
        assert found[force].position.kind in ("clean", "crashed")


@given(reports, members, st.randoms())
def test_the_order_in_which_servers_report_does_not_matter(
    found: dict[str, Report], members: frozenset[str], shuffled: Any
) -> None:
    again = list(found)
    shuffled.shuffle(again)
    assert elect({pod: found[pod] for pod in again}, members) == elect(found, members)


@given(reports, members, st.integers(0, 5))
def test_every_decision_is_later_than_all_that_servers_have_seen(
    found: dict[str, Report], members: frozenset[str], epoch: int
) -> None:
    seen = {pod: replace(report, epoch=epoch) for pod, report in found.items()}
    elected = elect(seen, members)
    if isinstance(elected, Decision):
        assert elected.epoch > epoch
        assert is_told(seen[elected.pod], elected)


CASES: dict[str, tuple[Callable[[], Decision | Refusal], str]] = {
    "the newest starts": (lambda: elect(held(clean(4), clean(6), clean(5))), "mariadb-server-1"),
    "of equals, the one that stopped last": (lambda: elect(held(clean(4), clean(4, safe=True), clean(4))), "mariadb-server-1"),
    "of equals, the lowest number": (lambda: elect(held(clean(4), clean(4), clean(4))), "mariadb-server-0"),
    "a half copied server is no candidate and no obstacle": (
        lambda: elect(held(PARTIAL, clean(4), clean(5))),
        "mariadb-server-2",
    ),
    "two histories": (lambda: elect(held(clean(4), clean(9, OTHER), clean(4))), "the servers hold data of different histories"),
    "a lost disk": (lambda: elect(held(clean(4), clean(4), EMPTY)), "mariadb-server-2 lost its disk"),
    "a server that never had data": (
        lambda: elect(held(clean(4), clean(5), EMPTY), frozenset(EXPECTED[:2])),
        "mariadb-server-1",
    ),
    "all disks lost": (lambda: elect(held(EMPTY, EMPTY, EMPTY)), "no server has data, but"),
    "the first start": (lambda: elect(held(EMPTY, EMPTY, EMPTY), frozenset()), "mariadb-server-0"),
    "the last members, without one that is missing": (lambda: elect(seen("01", clean(4), clean(5))), "mariadb-server-1"),
    "the last members, without one that lost its disk": (
        lambda: elect(seen("01", clean(4), clean(5), EMPTY)),
        "mariadb-server-1",
    ),
    "a last member is missing": (lambda: elect(seen("02", clean(4), clean(5))), "mariadb-server-2 may run"),
    "a last member above the number of servers is missing": (
        lambda: elect(seen("013", clean(4), clean(5), clean(5))),
        "mariadb-server-3 may run",
    ),
    "a last member lost its disk": (
        lambda: elect(seen("012", clean(4), clean(5), EMPTY)),
        "mariadb-server-2 lost its disk",
    ),
    "an older view of who has less does not count": (
        lambda: elect({**seen("012", clean(4)), EXPECTED[1]: seen("1", clean(4), clean(5))[EXPECTED[1]]}),
        "mariadb-server-1",
    ),
    "of equals, the views of both count": (
        lambda: elect({**seen("012", clean(4)), EXPECTED[1]: seen("01", clean(4), clean(4))[EXPECTED[1]]}),
        "mariadb-server-2 may run",
    ),
    "members of another history": (
        lambda: elect({p: replace(r, view=View(OTHER, frozenset(EXPECTED[:2]))) for p, r in held(clean(4), clean(5)).items()}),
        "mariadb-server-2 may run",
    ),
    "one is missing": (lambda: elect(held(clean(4), clean(5))), "mariadb-server-2 may run, or hold newer data"),
}


@pytest.mark.parametrize("case", CASES)
def test_who_starts_or_why_nobody_does(case: str) -> None:
    made, said = CASES[case]
    elected = made()
    assert (elected.pod if isinstance(elected, Decision) else elected.reason).startswith(said)


def test_of_eleven_equals_the_lowest_number_starts_and_not_the_first_name() -> None:
    eleven = [f"mariadb-server-{i}" for i in range(2, 13)]
    found = reports_of(dict.fromkeys(eleven, clean(4)))
    elected = election.elect(found, expected=eleven, members=frozenset(eleven), last=None)
    assert isinstance(elected, Decision)
    assert elected.pod == "mariadb-server-2"


def test_data_of_a_history_that_an_order_has_ended_do_not_count() -> None:
    ordered = Decision(epoch=1, pod=EXPECTED[0], uid="", uuid=OTHER, seqno=0, mode="forced", reports="")
    elected = elect(held(clean(0, OTHER), clean(9), clean(9)), last=ordered)
    assert isinstance(elected, Decision)
    assert (elected.pod, elected.uuid) == (EXPECTED[0], OTHER)


@pytest.mark.parametrize(
    ("seqno", "uuid", "reason"),
    [(4, OTHER, "mariadb-server-0 may run"), (0, ONE, "mariadb-server-1"), (5, ONE, "mariadb-server-0 may run")],
)
def test_nobody_else_starts_until_it_is_known_what_became_of_who_was_told_to(seqno: int, uuid: str, reason: str) -> None:
    told = Decision(epoch=1, pod=EXPECTED[0], uid="", uuid=uuid, seqno=seqno, mode="forced", reports="")
    found = seen("12", clean(0), clean(5), clean(5))
    del found[EXPECTED[0]]
    elected = elect(found, last=told)
    assert (elected.pod if isinstance(elected, Decision) else elected.reason).startswith(reason)


def test_a_lost_disk_with_a_history_that_was_ordered_is_not_passed_over_for_the_history_before() -> None:
    ordered = Decision(epoch=1, pod=EXPECTED[0], uid="", uuid=OTHER, seqno=0, mode="forced", reports="")
    elected = elect(seen("12", EMPTY, clean(9), clean(9)), last=ordered)
    assert isinstance(elected, Refusal)
    assert elected.reason.startswith("mariadb-server-0 lost its disk")


def test_an_order_begins_the_history_that_it_is_given() -> None:
    elected = elect(held(clean(4), clean(4)), force=EXPECTED[1], history=OTHER)
    assert isinstance(elected, Decision)
    assert elected.uuid == OTHER


SAVED = f"# GALERA saved state\nversion: 2.1\nuuid:    {ONE}\nseqno:   7\nsafe_to_bootstrap: 1\n"


@pytest.mark.parametrize(
    ("entries", "saved", "kind"),
    [
        ((), "", "empty"),
        (("lost+found",), "", "empty"),
        (("mysql", "grastate.dat"), SAVED, "clean"),
        (("mysql", "grastate.dat"), SAVED.replace("7", "-1"), "crashed"),
        (("mysql", "grastate.dat", "sst_in_progress"), SAVED, "partial"),
        (("mysql", ".sst", "grastate.dat"), SAVED, "partial"),
        (("mysql", "grastate.dat"), SAVED.replace(ONE, volume.NO_UUID), "partial"),
        (("mysql", "grastate.dat"), "", "unknown"),
        (("mysql",), "", "unknown"),
        (("ibdata1", "grastate.dat"), SAVED, "unknown"),
    ],
)
def test_a_data_directory_is_told_from_its_files(entries: tuple[str, ...], saved: str, kind: str) -> None:
    assert volume.classify(entries, saved, receiving=False).kind == kind
    assert volume.classify(entries, saved, receiving=True).kind == "partial"


@pytest.mark.parametrize(
    ("log", "position"),
    [
        (f"x WSREP: Recovered position: {ONE}:9", ("crashed", 9, "")),
        (f"WSREP: Recovered position: {ONE}:9,100-1-7", ("crashed", 9, ",100-1-7")),
        (f"WSREP: Recovered position: {OTHER}:9", ("unknown", -1, "")),
        (f"WSREP: Recovered position: {volume.NO_UUID}:-1", ("unknown", -1, "")),
        ("nothing of the kind", ("unknown", -1, "")),
    ],
)
def test_what_mariadb_recovers_is_believed_if_it_is_of_the_same_history(log: str, position: tuple[str, int, str]) -> None:
    found = volume.recovered(volume.Position("crashed", ONE), log)
    assert (found.kind, found.seqno, found.gtid) == position


def test_a_report_is_read_as_it_was_written() -> None:
    report = replace(seen("01", clean(4))[EXPECTED[0]], epoch=3, time="now")
    config_map = {"metadata": {}, "data": {f"report.{report.pod}": json.dumps(report.as_json())}}
    assert State.read(config_map).reports == {report.pod: report}
    del (older := report.as_json())["view"]
    config_map = {"metadata": {}, "data": {f"report.{report.pod}": json.dumps(older)}}
    assert State.read(config_map).reports == {report.pod: replace(report, view=None)}
