"""The master's side of a run that several processes share.

It has the whole schedule and the whole record, sends nothing itself, and looks like a Run: the rows
come in from the workers while they play. What a worker did not report before it was lost stays
`unsent`, as it was from the start.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import Any, Protocol

import gevent
from gevent.event import Event

from analysis.records import Records
from loadtests._messages import DONE, GO, PREPARE, READY, ROWS, STOP, origin_in, origin_of, unpack
from loadtests._recorder import Recorder
from loadtests._schedule import Schedule

LEAD_S = 0.5  # between the word to begin and the schedule's origin: every worker must have it
PREPARE_S = 120.0  # texts to read, millions of arrivals to draw
STOP_S = 20.0  # an interrupted worker waits 2 s for answers under way
_LOOK_S = 0.1
_numbers = count(1)  # of the tests of this process


class Crew(Protocol):
    """The connected workers."""

    def workers(self) -> Sequence[str]:
        """Names of those that can work."""

    def lost(self, worker: str) -> bool:
        """Whether a worker died, left, or has not been heard of for some seconds."""

    def send(self, kind: str, message: Mapping[str, Any], worker: str) -> None:
        """Say something to one worker."""


@dataclass
class _Member:
    name: str
    number: int
    ready: bool = False
    over: bool = False  # done or lost
    rows: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


class Fleet:
    """Plays a schedule once, with every worker of the crew; see Run for the public part."""

    def __init__(
        self,
        schedule: Schedule,
        crew: Crew,
        order: Mapping[str, Any],
        complain: Callable[[str], None],
    ) -> None:
        """`order` is what a worker needs to know beside its share; see the Worker."""
        self._schedule = schedule
        self._crew = crew
        self._order = order
        self._complain = complain
        self._number = next(_numbers)
        self._members: dict[str, _Member] = {}
        self.recorder = Recorder(schedule)
        self._begun = self._stopped = False
        self.announce: Callable[[float], None] = lambda origin_s: None
        self._origin = math.nan  # on this host's CLOCK_MONOTONIC
        self._give_up_at = math.inf
        self.finished = Event()
        self.troubles: list[str] = []
        self.facts: dict[str, Any] = {}

    @property
    def records(self) -> Records:
        """One row for each planned request, at any time."""
        return self.recorder.records()

    def play(self) -> None:
        """Have the whole schedule sent; returns when every worker is done or lost."""
        if self._begun:
            return
        self._begun = True
        try:
            if not self._stopped:
                self._play()
        finally:
            self.facts = self._summed_up()
            self.finished.set()

    def interrupt(self) -> None:
        """End early; returns when the rows are final. Harmless on a finished run."""
        if not self._stopped:
            self._stopped = True
            self._call_off()
        self.play()
        self.finished.wait()

    def hear(self, kind: str, worker: str, message: Mapping[str, Any]) -> None:
        """A worker's message; those of other tests and of workers given up are ignored."""
        member = self._members.get(worker)
        if member is None or member.over or message["test"] != self._number:
            return
        if kind == READY:
            member.ready = True
            if message["error"]:
                self._trouble(f"worker {member.number + 1} cannot begin: {message['error']}")
                member.over = True
        elif kind == ROWS:
            index, rows = unpack(message)
            self.recorder.put(index, rows)
            member.rows += len(index)
        elif kind == DONE:
            member.facts = dict(message["facts"])
            member.over = True
            for trouble in message["troubles"]:
                self._trouble(f"worker {member.number + 1}: {trouble}")

    def _play(self) -> None:
        names = list(self._crew.workers())
        self._members = {name: _Member(name, number) for number, name in enumerate(names)}
        if not names:
            self._trouble("no worker is connected: start one with --worker")
            return
        sha256 = self._schedule.sha256
        for member in self._members.values():
            share = {"number": member.number, "of": len(names), "sha256": sha256}
            self._crew.send(PREPARE, {"test": self._number, **share, **self._order}, member.name)
        self._give_up_at = perf_counter() + PREPARE_S
        self._wait(lambda member: member.ready)
        if not self._stopped:
            if self.troubles:
                self._call_off()
            else:
                self._give_up_at = math.inf
                go = origin_in(LEAD_S)
                self._origin = origin_of(go)
                self.announce(self._origin)
                self._tell(GO, go)
        self._wait(lambda member: member.over)

    def _call_off(self) -> None:
        self._give_up_at = perf_counter() + STOP_S
        self._tell(STOP, {})

    def _wait(self, reached: Callable[[_Member], bool]) -> None:
        """Wait until each worker got there or is lost."""
        while waiting := [m for m in self._members.values() if not (m.over or reached(m))]:
            late = perf_counter() > self._give_up_at
            for member in waiting:
                if late or self._crew.lost(member.name):
                    self._lose(member)
            gevent.sleep(_LOOK_S)

    def _lose(self, member: _Member) -> None:
        member.over = True
        workers = len(self._members)
        planned = len(range(member.number, len(self._schedule), workers))
        self._trouble(
            f"worker {member.number + 1} of {workers} was lost: {planned - member.rows} of its "
            f"{planned} requests stay unsent, the run is invalid"
        )

    def _tell(self, kind: str, message: Mapping[str, Any]) -> None:
        for member in self._members.values():
            if not member.over:
                self._crew.send(kind, {"test": self._number, **message}, member.name)

    def _trouble(self, line: str) -> None:
        self.troubles.append(line)
        self._complain(line)

    def _summed_up(self) -> dict[str, Any]:
        """Facts of the union; of a worker that was lost nothing is known."""
        known = [m.facts for m in self._members.values() if m.facts]
        return {
            "generator_cpu": max((f["generator_cpu"] for f in known), default=0.0),
            "real_time": bool(known) and all(f["real_time"] for f in known),
            "repeats": sum(f["repeats"] for f in known),
            "interrupted": self._stopped
            or len(known) < len(self._members)
            or any(f["interrupted"] for f in known),
            "started_at": min((f["started_at"] for f in known), default=None),
            "workers": len(self._members),
            "origin_monotonic_s": None if math.isnan(self._origin) else self._origin,
        }
