"""What happened to a target during a run: `timeline.json` read, and what follows from it alone."""

import math
from dataclasses import dataclass
from pathlib import Path

from analysis._objects import read_object
from variants._errors import OptbuildError

FORMAT = 1


@dataclass(frozen=True)
class Event:
    """Seconds from the schedule's origin; `source` is `fault` or `replica`."""

    at_s: float
    source: str
    what: str
    replica: str
    detail: str


@dataclass(frozen=True)
class Lifeline:
    """A stretch of a replica's life in one state: starting, ready, unready, leaving or dead."""

    replica: str
    state: str
    from_s: float
    to_s: float


@dataclass(frozen=True)
class Kill:
    """A replica's death: ordered or noticed at `from_s`, surely over at `to_s`."""

    replica: str
    from_s: float
    to_s: float


@dataclass(frozen=True)
class FaultTimeline:
    """The events of a run in order of time; `wanted` replicas before the fault."""

    wanted: int
    events: tuple[Event, ...]

    @property
    def injected_s(self) -> float:
        """When the fault began."""
        return next(e.at_s for e in self.events if (e.source, e.what) == ("fault", "injected"))

    @property
    def ended_s(self) -> float | None:
        """When it was over and undone; None if that was not seen."""
        found = [e.at_s for e in self.events if (e.source, e.what) == ("fault", "ended")]
        return found[-1] if found else None

    @property
    def failure(self) -> str:
        """Why the target did not get over it within the time given; empty if it did."""
        found = [e.detail for e in self.events if (e.source, e.what) == ("fault", "failed")]
        return found[-1] if found else ""

    @property
    def kills(self) -> tuple[Kill, ...]:
        """The replicas that were killed or found dead, from the fault on.

        One that is not started again dies between the order and the news that it is gone: in a
        cluster that takes a while. Of one that is, only the order is known.
        """
        kills = []
        for at, event in enumerate(self.events):
            if (event.source, event.what) == ("replica", "killed"):
                rest = (e for e in self.events[at + 1 :] if e.replica == event.replica)
                after = next((e for e in rest if e.what in ("gone", "restarted", "ready")), event)
                to_s = after.at_s if after.what == "gone" else event.at_s
                kills.append(Kill(event.replica, event.at_s, to_s))
        return tuple(kill for kill in kills if kill.from_s >= self.injected_s)

    def ready_counts(self) -> tuple[tuple[float, int], ...]:
        """(time, how many replicas are ready from then on), in order of time."""
        ready: set[str] = set()
        counts = [(-math.inf, 0)]
        for event in self.events:
            if event.source == "replica" and event.what != "created":
                (ready.add if event.what == "ready" else ready.discard)(event.replica)
                if len(ready) != counts[-1][1]:
                    counts.append((event.at_s, len(ready)))
        return tuple(counts)

    def lifelines(self, end_s: float) -> tuple[Lifeline, ...]:
        """Each replica's states until `end_s`, replicas in order of appearance."""
        lines = []
        names = dict.fromkeys(e.replica for e in self.events if e.source == "replica")
        for name in names:
            own = [e for e in self.events if e.source == "replica" and e.replica == name]
            for event, following in zip(own, [*own[1:], None], strict=True):
                state = _STATES.get(event.what)
                to_s = end_s if following is None else min(following.at_s, end_s)
                if state is not None and to_s > event.at_s:
                    lines.append(Lifeline(name, state, event.at_s, to_s))
        return tuple(lines)


_STATES = {
    "created": "starting",
    "restarted": "starting",
    "ready": "ready",
    "unready": "unready",
    "terminating": "leaving",
    "killed": "dead",
}


def read_timeline(path: Path) -> FaultTimeline:
    """Read `timeline.json`; raises OptbuildError naming the file if it is none."""
    fields = read_object(path)
    if fields.integer("format") != FORMAT:
        raise fields.wrong("format", f"{FORMAT}, the one this version reads")
    events = tuple(
        Event(
            at_s=one.number("at_s"),
            source=one.text("source"),
            what=one.text("what"),
            replica=one.text("replica"),
            detail=one.text("detail", ""),
        )
        for one in fields.children("events")
    )
    timeline = FaultTimeline(fields.integer("wanted"), tuple(sorted(events, key=lambda e: e.at_s)))
    if not any((e.source, e.what) == ("fault", "injected") for e in events):
        raise OptbuildError(f"{path}: no fault was injected; repeat the run")
    return timeline
