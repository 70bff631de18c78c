"""What the lanes are running: until when, on whose CPUs, and how much slower than the costs say."""

import math
from collections.abc import Iterator
from typing import NamedTuple

SMOOTHING = 0.05  # weight of a new pass in the slowdown
# A process that was stopped for a while says nothing of the passes to come: one counts as at most
# so many times what was expected.
MOST_TIMES = 4.0


class Running(NamedTuple):
    """A pass under way: from when, until when as expected, and on how many lanes' CPUs."""

    begin_s: float
    end_s: float
    cpus: int


class Passes:
    """The passes under way, at most one a lane. Its callers hold a lock."""

    def __init__(self, lanes: int) -> None:
        self._of_lane: list[Running | None] = [None] * lanes
        self.learned_s = 0.0  # when a pass ended
        self.slowdown = 1.0  # passes take this many times what the costs say

    @property
    def lanes(self) -> int:
        """How many can be under way at the same time."""
        return len(self._of_lane)

    @property
    def idle(self) -> int:
        """Lanes that run nothing."""
        return self._of_lane.count(None)

    @property
    def idle_cpus(self) -> int:
        """Lanes' CPUs that no pass runs on; negative where passes share one."""
        return self.lanes - sum(one.cpus for one in self._under_way())

    @property
    def wide(self) -> bool:
        """Whether one of them is on several lanes' CPUs."""
        return any(one.cpus > 1 for one in self._under_way())

    def begun_s(self) -> float:
        """When the latest of the passes began; infinite while a lane is idle."""
        return max(one.begin_s if one else math.inf for one in self._of_lane)

    def begin(self, lane: int, now_s: float, cost_s: float, cpus: int) -> None:
        """A lane takes up a pass of such a cost."""
        self._of_lane[lane] = Running(now_s, now_s + cost_s * self.slowdown, cpus)

    def end(self, lane: int) -> None:
        """A lane has done its pass."""
        self._of_lane[lane] = None

    def learn(self, cost_s: float, took_s: float, now_s: float) -> None:
        """A pass of such a cost took so long, until now."""
        self.learned_s = now_s
        seen = min(took_s / cost_s, MOST_TIMES * self.slowdown)
        self.slowdown += SMOOTHING * (seen - self.slowdown)

    def done_in_s(self, now_s: float, before_s: float, own_s: float) -> float:
        """Seconds until what costs `own_s` is done, if what costs `before_s` goes before it.

        Each lane goes on with what it runs; what goes before is poured on top, the lowest first. A
        pass that takes longer than expected is expected to take as much longer again: that is all
        there is to know of one that is stuck.
        """
        busy_s = sorted(abs(one.end_s - now_s) for one in self._under_way())
        levels_s = [0.0] * self.idle + busy_s
        left_s = before_s * self.slowdown
        for lanes, (level_s, next_s) in enumerate(
            zip(levels_s, [*levels_s[1:], math.inf], strict=True), start=1
        ):
            if left_s <= (next_s - level_s) * lanes:
                break
            left_s -= (next_s - level_s) * lanes
        return level_s + left_s / lanes + own_s * self.slowdown

    def _under_way(self) -> Iterator[Running]:
        return (one for one in self._of_lane if one)
