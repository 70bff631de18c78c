"""Which rate to offer next: a bracketing search with confirmed bounds (`analysis.capacity`).

Pure: a generator that yields what to run and is sent what came of it. Replaying the outcomes of
finished runs brings it back to where it was, which is how a sweep resumes.

1. Climb by about a factor of 1.5 until a rate misses the objective (or go down until one meets it);
   a miss counts if it is seen twice of up to three runs.
2. Bisect on the logarithm of the rate, down to neighbours on the grid, one run each.
3. Confirm both ends in turn with runs of their own: what the search has seen does not count, since
   it was chosen for its outcome. A candidate that fails gives way to one further out, by 1, 2, 4...
   steps.
"""

import math
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass

from analysis.capacity import MOST_CANDIDATES, runs_needed

CLIMB = 1.5

Outcome = bool | None  # None: the load generator could not offer the rate


@dataclass(frozen=True)
class Visit:
    """One run to make: at this step of the grid, for this purpose."""

    step: int
    role: str
    candidate: int = 0


@dataclass(frozen=True)
class Grid:
    """Rates `start_rps * (1 + resolution)^step` between two steps, both included."""

    start_rps: float
    resolution: float  # a fraction: 0.05
    bottom: int  # <= 0
    top: int  # >= 0

    def rate_rps(self, step: int) -> float:
        """Requests per second, with four digits: what is run is what is said."""
        return float(f"{self.start_rps * (1 + self.resolution) ** step:.4g}")

    @property
    def stride(self) -> int:
        """Steps of about a factor CLIMB."""
        return max(1, round(math.log(CLIMB) / math.log1p(self.resolution)))


def grid(start_rps: float, resolution: float, lowest_rps: float, highest_rps: float) -> Grid:
    """The grid through `start_rps` that stays within the two rates."""
    width = math.log1p(resolution)
    return Grid(
        start_rps=start_rps,
        resolution=resolution,
        bottom=min(0, math.ceil(math.log(lowest_rps / start_rps) / width - 1e-9)),
        top=max(0, math.floor(math.log(highest_rps / start_rps) / width + 1e-9)),
    )


Searching = Generator[Visit, Outcome, None]


def search(where: Grid, repeats: int) -> Searching:
    """Everything to run for one variant; `repeats` confirm a bound at its first candidate."""
    low, high, measurable = yield from _bracket(where)
    while low is not None and high is not None and high - low > 1:
        middle = (low + high) // 2
        outcome = yield Visit(middle, "bisect")
        low, high = (middle, high) if outcome else (low, middle)
        measurable = measurable if outcome else outcome is not None
    ends = []
    if low is not None:
        ends.append(_confirm(where, low, "lower", repeats))
    if high is not None and measurable:
        ends.append(_confirm(where, high, "upper", repeats))
    yield from _in_turn(ends)


def _bracket(where: Grid) -> Generator[Visit, Outcome, tuple[int | None, int | None, bool]]:
    """The highest step that met, the lowest that did not; whether the latter was measured at all.

    None where there is none within the grid.
    """
    low = high = None
    measurable, step = True, 0
    while True:
        outcome = yield from _climb(step)
        if outcome:
            low = step
        else:
            high, measurable = step, outcome is not None
        if low is not None and high is not None:
            return low, high, measurable
        nearer = step + where.stride if outcome else step - where.stride
        following = min(max(nearer, where.bottom), where.top)
        if following == step:
            return low, high, measurable
        step = following


def _climb(step: int) -> Generator[Visit, Outcome, Outcome]:
    """A run that misses is repeated, up to three of them: two outcomes of a kind decide."""
    outcome = yield Visit(step, "climb")
    if outcome is not False:
        return outcome
    outcome = yield Visit(step, "climb")
    return (yield Visit(step, "climb")) if outcome else outcome


def _confirm(where: Grid, step: int, role: str, repeats: int) -> Searching:
    wanted, outward = (True, -1) if role == "lower" else (False, 1)
    for candidate in range(MOST_CANDIDATES):
        for _ in range(runs_needed(repeats, candidate)):
            outcome = yield Visit(step, role, candidate)
            if outcome is not wanted:
                break
        else:
            return
        further = step + outward * 2**candidate
        further = min(max(further, where.bottom), where.top)
        if further == step or (outcome is None and role == "upper"):
            return
        step = further


def _in_turn(ends: list[Searching]) -> Searching:
    """Runs of both ends alternate, so that a drift of the machine meets both."""
    waiting: list[tuple[Searching, Visit]] = [(end, next(end)) for end in ends]
    while waiting:
        still = []
        for end, visit in waiting:
            outcome = yield visit
            with suppress(StopIteration):
                still.append((end, end.send(outcome)))
        waiting = still


def expected_visits(repeats: int) -> int:
    """For an estimate of the time: what simulated searches take at a noise of 10% in p95."""
    return 17 + 2 * repeats


class Walk:
    """A search and where it stands: `next` is what to run now, None at its end."""

    def __init__(self, where: Grid, repeats: int) -> None:
        self._searching = search(where, repeats)
        self.visits = 0
        self.next: Visit | None = next(self._searching)

    def went(self, outcome: Outcome) -> None:
        """What came of `next`."""
        self.visits += 1
        try:
            self.next = self._searching.send(outcome)
        except StopIteration:
            self.next = None
