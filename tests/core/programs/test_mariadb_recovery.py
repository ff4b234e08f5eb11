"""What an election makes of servers that were in a cluster and went in any order: a small model of Galera says what they hold.

The cluster has one log of writes and of views. A member works through it at its own speed, and what it has worked through is on
its disk. It confirms a write of its own when it has come so far, and it gives copies of its data only then, too. Who is left
after a crash goes on if it is more than half of the last view; who leaves of its own accord is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import mariadb_election as election
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from mariadb_reports import Decision, Refusal, Report
from mariadb_view import View
from mariadb_volume import Position

HISTORY = "11111111-1111-1111-1111-111111111111"
COUNT = 4
PODS = [f"mariadb-server-{i}" for i in range(COUNT)]
shares = st.sampled_from([0.0, 0.3, 0.6, 1.0, 1.0])


@dataclass
class Disk:
    """``at`` is how much of the log the data have. ``record`` is the last view that was written down.

    ``aside`` is the one from before it began to join, with the place that the data had then.
    """

    kind: str = "empty"
    at: int = 0
    record: frozenset[str] | None = None
    history: str = HISTORY
    aside: tuple[str, int, frozenset[str]] | None = None

    def set_aside(self) -> Disk:
        """As the server leaves it when it begins to join."""
        aside = (self.history, self.at, self.record) if self.record and self.kind == "whole" else self.aside
        return replace(self, record=None, aside=aside)

    def report(self, pod: str) -> Report:
        """What the server that finds this says."""
        whole = self.kind == "whole"
        held = self.aside[2] if self.aside and self.aside[:2] == (self.history, self.at) else None
        record = self.record or held
        view = View(self.history, record) if record else None
        position = Position("crashed", self.history, self.at) if whole else Position(self.kind)
        return Report(pod=pod, uid=pod, position=position, view=view)


@dataclass
class Member:
    """A server that runs. ``since`` is the place in the log of the view that it came with, until it has a copy: ``synced``."""

    since: int
    synced: bool = False


@dataclass
class Log:
    """Writes are numbers, views are sets of Pods. ``confirmed`` is up to where somebody was told that a write is done."""

    entries: list[int | frozenset[str]] = field(default_factory=list)
    confirmed: int = 0
    history: str = HISTORY

    def view(self, upto: int | None = None) -> frozenset[str]:
        """The last view in this part of the log."""
        return next((e for e in reversed(self.entries[:upto]) if not isinstance(e, int)), frozenset())


class Galera(RuleBasedStateMachine):
    """Everything that can happen to it. ``running`` is in the component of the majority, ``cut_off`` runs and is not."""

    @initialize()
    def begin(self) -> None:
        self.log = Log([frozenset(PODS)])
        self.disks = {pod: Disk("whole", 1, frozenset(PODS)) for pod in PODS}
        self.running = {pod: Member(0, synced=True) for pod in PODS}
        self.cut_off: set[str] = set()
        self.last: Decision | None = None
        self.told = ""

    def work(self, pod: str, upto: int) -> None:
        """Work through the log: views are written down before anything that comes after them."""
        disk = self.disks[pod]
        for place in range(disk.at, upto):
            entry = self.log.entries[place]
            disk.record = disk.record if isinstance(entry, int) else entry
            disk.at = place + 1

    def regroup(self, left: str = "") -> None:
        """The members who remain go on if they are enough."""
        before = self.log.view() - {left}
        now = frozenset(self.running)
        if 2 * len(now & before) > len(before):
            self.log.entries.append(now)
        else:
            self.cut_off |= now
            self.running = {}

    @property
    def synced(self) -> list[str]:
        """Those that clients can work with."""
        return [pod for pod, member in self.running.items() if member.synced]

    @precondition(lambda self: self.synced)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from(self.synced))
        self.log.entries.append(len(self.log.entries))
        self.work(pod, len(self.log.entries))
        self.log.confirmed = len(self.log.entries)

    @precondition(lambda self: self.synced)
    @rule(data=st.data(), share=shares)
    def apply(self, data: st.DataObject, share: float) -> None:
        pod = data.draw(st.sampled_from(self.synced))
        at = self.disks[pod].at
        self.work(pod, at + round(share * (len(self.log.entries) - at)))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), torn=st.booleans())
    def crash(self, data: st.DataObject, torn: bool) -> None:
        """Some crash at once; one of them, perhaps, just when it has taken up a view and not written it down."""
        gone = data.draw(st.sets(st.sampled_from(sorted(self.running)), min_size=1))
        for pod in sorted(gone & set(self.synced))[: int(torn)]:
            record = self.disks[pod].record
            rest = self.log.entries[self.disks[pod].at :]
            views = [place for place, entry in enumerate(rest) if not isinstance(entry, int)]
            self.work(pod, self.disks[pod].at + (views[0] + 1 if views else 0))
            self.disks[pod].record = record if views else self.disks[pod].record
        self.running = {pod: member for pod, member in self.running.items() if pod not in gone}
        self.regroup()

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[pod]
        self.regroup(left=pod)

    @precondition(lambda self: self.cut_off)
    @rule(data=st.data())
    def crash_cut_off(self, data: st.DataObject) -> None:
        self.cut_off -= data.draw(st.sets(st.sampled_from(sorted(self.cut_off)), min_size=1))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        there = data.draw(st.sets(st.sampled_from(sorted(self.running)), min_size=1))
        self.running = {pod: member for pod, member in self.running.items() if pod not in there}
        self.cut_off |= there
        self.regroup()

    @precondition(lambda self: self.cut_off and not self.running and not self.told)
    @rule()
    def heal(self) -> None:
        """Those who are cut off find each other, and go on if they are enough of the last view. All of it has reached them."""
        last = self.log.view()
        together = {pod for pod in self.cut_off if pod in last and self.disks[pod].kind == "whole"}
        if 2 * len(together) > len(last):
            self.running = {pod: Member(len(self.log.entries), synced=True) for pod in together}
            self.cut_off -= together
            self.log.entries.append(frozenset(together))

    @precondition(lambda self: self.running and len(self.running) < COUNT)
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        """Start again, or be let in after having been cut off."""
        pod = data.draw(st.sampled_from([pod for pod in PODS if pod not in self.running]))
        self.cut_off.discard(pod)
        disk = self.disks[pod].set_aside()
        self.disks[pod] = disk if disk.kind == "whole" else Disk("partial", aside=disk.aside)
        self.running[pod] = Member(len(self.log.entries))
        self.log.entries.append(frozenset(self.running))

    @precondition(lambda self: self.synced and len(self.synced) < len(self.running))
    @rule(data=st.data(), share=shares, anew=st.sampled_from(["", "", "begun", "done"]))
    def copy(self, data: st.DataObject, share: float, anew: str) -> None:
        """Get what is missing, or everything anew, from one that has been told of the view in which it gives."""
        pod = data.draw(st.sampled_from(sorted(set(self.running) - set(self.synced))))
        upto = self.disks[data.draw(st.sampled_from(self.synced))].at
        disk = self.disks[pod]
        if upto <= self.running[pod].since:
            return
        if anew == "begun":
            self.disks[pod] = Disk("partial", aside=disk.aside)
        elif anew or (disk.kind, disk.history) != ("whole", self.log.history):
            self.disks[pod] = Disk("whole", upto, self.log.view(upto), self.log.history, disk.aside)
        else:
            self.work(pod, disk.at + round(share * max(0, upto - disk.at)))
        disk = self.disks[pod]
        self.running[pod].synced = disk.kind == "whole" and disk.at > self.running[pod].since

    @precondition(lambda self: len({*self.running, *self.cut_off, self.told} - {""}) < COUNT)
    @rule(data=st.data())
    def lose_disk(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from([pod for pod in PODS if pod not in {*self.running, *self.cut_off, self.told}]))
        self.disks[pod] = Disk()

    @precondition(lambda self: not self.running)
    @rule(data=st.data())
    def elect(self, data: st.DataObject) -> None:
        """Nobody that is missing has anything that the chosen one lacks, and those who run can never go on by themselves."""
        elected, reports = self.election(data)
        if isinstance(elected, Decision):
            chosen = self.disks[elected.pod]
            assert elected.mode == "bootstrap"
            assert not self.told
            assert chosen.history == self.log.history
            assert chosen.at >= self.log.confirmed or "partial" in self.everybody(reports)
            assert all(d.at <= chosen.at for d in self.disks.values() if (d.kind, d.history) == ("whole", chosen.history))
            last = self.log.view(chosen.at)
            assert 2 * len(self.cut_off & last) <= len(last)
            self.last, self.told = elected, elected.pod

    @precondition(lambda self: not self.running and not self.told and not self.cut_off)
    @rule(data=st.data(), pod=st.sampled_from(PODS))
    def force(self, data: st.DataObject, pod: str) -> None:
        """A human has one start while nobody runs, and gives up what others hold."""
        elected, _ = self.election(data, force=pod, history=f"history {self.epoch + 1}")
        if isinstance(elected, Decision):
            self.last, self.told = elected, elected.pod

    def everybody(self, reports: dict[str, Report]) -> set[str]:
        """What kinds of data there are, if all have reported: who copies has lost its own before, and perhaps the only ones."""
        return {report.position.kind for report in reports.values()} if len(reports) == COUNT else set()

    def election(self, data: st.DataObject, **order: str) -> tuple[Decision | Refusal, dict[str, Report]]:
        """With the reports of some of those who have stopped."""
        stopped = data.draw(st.sets(st.sampled_from(PODS), min_size=2)) - self.cut_off - {self.told}
        reports = {pod: replace(self.disks[pod].report(pod), epoch=self.epoch) for pod in sorted(stopped)}
        return election.elect(reports, expected=PODS, members=PODS, last=self.last, **order), reports

    @property
    def epoch(self) -> int:
        """That of the last decision."""
        return self.last.epoch if self.last else 0

    @precondition(lambda self: self.told)
    @rule(ends=st.sampled_from(["", "", "at once", "with the history begun"]))
    def start(self, ends: str) -> None:
        """Who was told to start the cluster has withdrawn its report, and does so, or crashes before it has."""
        pod, self.told = self.told, ""
        assert self.last
        if self.last.mode == "forced" and ends != "at once":
            self.log = Log(history=self.last.uuid)
            self.disks[pod] = Disk("whole", 0, history=self.last.uuid)
        if not ends:
            self.log.entries = [*self.log.entries[: self.disks[pod].at], frozenset([pod])]
            self.work(pod, len(self.log.entries))
            self.running = {pod: Member(0, synced=True)}


TestGalera = Galera.TestCase
TestGalera.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
